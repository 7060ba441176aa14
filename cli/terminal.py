"""What the commands show a person: consoles, tables and the way from an error to an exit code."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

from rich.console import Console
from rich.table import Table

from wire.balances import format_tokens

T = TypeVar("T")


WIDTH_WITHOUT_TERMINAL = 140


def output() -> Console:
    """Return the console for results (standard output)."""
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH_WITHOUT_TERMINAL)


def messages() -> Console:
    """Return the console for progress and errors (standard error)."""
    return Console(stderr=True)


def table(title: str, columns: Iterable[str], *, numbers: Iterable[str] = ()) -> Table:
    """Return an empty table; the columns named in `numbers` are right-aligned."""
    right = set(numbers)
    made = Table(title=title, title_justify="left", header_style="bold")
    for column in columns:
        made.add_column(column, justify="right" if column in right else "left")
    return made


def tokens(millitokens: int) -> str:
    """Return an amount as people read it, negative ones in red."""
    text = format_tokens(millitokens)
    return f"[red]{text}[/red]" if millitokens < 0 else text


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run one asynchronous command to its end."""
    return asyncio.run(work)
