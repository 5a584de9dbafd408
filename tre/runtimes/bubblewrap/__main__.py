"""`python -m tre.runtimes.bubblewrap --root ROOT`: see `tre.runtimes.bubblewrap.service`."""

from tre.system.interpreter import run

if __name__ == "__main__":
    run("tre.runtimes.bubblewrap.service:main")
