"""A launcher in a process of its own: `launcher.py FOLDER [hold] [dies] [light]`.

It prints one line of JSON with the addresses when everything answers; with `hold` it then sleeps
until it is killed, with `dies` its servers are to end with it, and with `light` it starts no Kafka.
"""

import json
import sys
import time
from pathlib import Path

from cli.local.stack import LocalStack

NO_KAFKA = {"FRAMEMETER_KAFKA": "kafka.example:9092"}


def main(folder: str, *words: str) -> None:
    """Start the stack of `folder`."""
    configured = NO_KAFKA if "light" in words else {}
    stack = LocalStack(Path(folder), configured, die_with_parent="dies" in words)
    addresses = stack.start()
    sys.stdout.write(json.dumps(addresses.as_environment()) + "\n")
    sys.stdout.flush()
    if "hold" in words:
        time.sleep(120)


if __name__ == "__main__":
    main(*sys.argv[1:])
