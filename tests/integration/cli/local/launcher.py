"""A launcher in a process of its own: `launcher.py FOLDER [hold] [dies]`.

It prints one line of JSON with the addresses when everything answers; with `hold` it then sleeps
until it is killed, with `dies` its servers are to end with it.
"""

import json
import sys
import time
from pathlib import Path

from cli.local.stack import LocalStack


def main(folder: str, *words: str) -> None:
    """Start the stack of `folder`."""
    stack = LocalStack(Path(folder), die_with_parent="dies" in words)
    addresses = stack.start()
    sys.stdout.write(json.dumps(addresses.as_environment()) + "\n")
    sys.stdout.flush()
    if "hold" in words:
        time.sleep(120)


if __name__ == "__main__":
    main(*sys.argv[1:])
