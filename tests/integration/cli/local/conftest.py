"""A stack of its own for tests that stop, kill and corrupt it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.local.stack import LocalStack
from tests.integration.cli.local import launcher

ROOT = Path(__file__).parents[4]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Give a folder for a stack; whatever runs there is gone afterwards."""
    place = tmp_path / "stack"
    yield place
    LocalStack(place).erase()


class Launchers:
    """Launchers as an operator runs them: each a process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.running: list[subprocess.Popen[str]] = []

    def open(self, *words: str) -> subprocess.Popen[str]:
        """Start a launcher and do not wait for it."""
        process = subprocess.Popen(
            [sys.executable, launcher.__file__, str(self.folder), *words],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        self.running.append(process)
        return process

    def addresses(self, process: subprocess.Popen[str]) -> dict[str, str]:
        """Wait for a launcher's addresses."""
        assert process.stdout is not None
        return dict(json.loads(process.stdout.readline()))

    def close(self) -> None:
        """End all launchers."""
        for process in self.running:
            process.kill()
            process.communicate()


@pytest.fixture
def launchers(folder: Path) -> Iterator[Launchers]:
    """Give a way to run launchers on the folder."""
    made = Launchers(folder)
    yield made
    made.close()
