"""`python -m tre.checker --root ROOT`: see `tre.checker.program`."""

from tre.system.interpreter import run

if __name__ == "__main__":
    run("tre.checker.program:main")
