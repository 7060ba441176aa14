"""The repository's files as the tidiness tests see them, each read and parsed once.

New files count before they are committed; what git ignores does not.
"""

import ast
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("wire", "pipeline", "consumers", "billing", "gateway", "cli", "samples")
FOLDERS = (*PACKAGES, "benchmarks", "tests")

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """One Python file: its path from the root, its text and its syntax tree."""

    path: str
    text: str
    tree: ast.Module

    @property
    def package(self) -> str:
        """The top folder that it lies in."""
        return self.path.split("/", 1)[0]

    @property
    def docstring(self) -> str:
        """What the module says of itself, or nothing."""
        return ast.get_docstring(self.tree) or ""

    def at(self, node: ast.AST) -> str:
        """Return where a node stands, as editors understand it."""
        return f"{self.path}:{getattr(node, 'lineno', 1)}"

    def functions(self) -> Iterator[Function]:
        """Return every function and method, nested ones too."""
        for node in ast.walk(self.tree):
            if isinstance(node, Function):
                yield node


@cache
def paths() -> tuple[str, ...]:
    """Return every file that git tracks or would track, from the root."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    return tuple(sorted(p for p in set(listed.stdout.split("\0")) if p and (ROOT / p).is_file()))


@cache
def texts() -> dict[str, str]:
    """Return every text file by its path."""
    contents = ((path, (ROOT / path).read_bytes()) for path in paths())
    return {
        path: content.decode(errors="replace")
        for path, content in contents
        if b"\0" not in content[:8_192]
    }


@cache
def modules() -> tuple[Module, ...]:
    """Return every Python file of our packages, benchmarks and tests."""
    return tuple(
        Module(path=path, text=text, tree=ast.parse(text, filename=path))
        for path, text in texts().items()
        if path.endswith(".py") and path.split("/", 1)[0] in FOLDERS
    )


def product() -> tuple[Module, ...]:
    """Return the modules that are shipped: no tests, no benchmarks."""
    return tuple(module for module in modules() if module.package in PACKAGES)
