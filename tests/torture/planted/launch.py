"""`python -m tests.torture.planted.launch BUG MODULE`: a process with a bug planted in it."""

import importlib
import sys

from tests.torture.planted.bugs import BUGS


def main() -> None:
    """Plant the bug, then run the module's own main."""
    bug, module = sys.argv[1:]
    BUGS[bug].plant()
    importlib.import_module(f"{module}.__main__").main()


if __name__ == "__main__":
    main()
