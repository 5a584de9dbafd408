"""`python -m tre.gateway`: see `tre.gateway.main`."""

from tre.system.interpreter import run

if __name__ == "__main__":
    run("tre.gateway.main:main")
