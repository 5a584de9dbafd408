"""`python -m tre.storekeeper --root R`: see `tre.storekeeper.service`."""

from tre.storekeeper.service import main

if __name__ == "__main__":  # processes that read headers import this module, too
    main()
