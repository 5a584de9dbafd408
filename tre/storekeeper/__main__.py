"""`python -m tre.storekeeper --root R`: see `tre.storekeeper.service`."""

from tre.system.interpreter import run

if __name__ == "__main__":  # processes that read headers import this module, too
    run("tre.storekeeper.service:main")
