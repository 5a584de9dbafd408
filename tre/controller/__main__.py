"""`python -m tre.controller --root ROOT`: see `tre.controller.program`."""

from tre.system.interpreter import run

if __name__ == "__main__":
    run("tre.controller.program:main")
