"""SQL by name: `sql("sessions.open")` is the query of that name in `sql/queries/sessions.sql`.

Each file belongs to one noun; in it, `-- name: <verb>` starts a query. Files are read once.
"""

import re
from functools import cache
from pathlib import Path

SQL_FOLDER = Path(__file__).parent / "sql"
_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


def sql(name: str) -> str:
    """Return the query called `noun.verb`; an unknown name is a programmer's error."""
    noun, verb = name.split(".")
    return _queries(noun)[verb]


@cache
def _queries(noun: str) -> dict[str, str]:
    text = (SQL_FOLDER / "queries" / f"{noun}.sql").read_text(encoding="utf-8")
    _, *parts = _NAME.split(text)
    return {verb: query.strip() for verb, query in zip(parts[::2], parts[1::2], strict=True)}
