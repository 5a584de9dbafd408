"""`python -m tre`: the command line."""

from tre.system.interpreter import run

if __name__ == "__main__":
    run("tre.cli.main:main")
