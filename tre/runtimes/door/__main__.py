"""Start the door: `python -I -m tre.runtimes.door serve|await --instruction FILE [--keys DIRECTORY]`."""

import sys

from tre.runtimes.door.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
