"""Print requirements out of pyproject.toml, one a line, for an image's dependency layer.

    requirements.py                          everything that framemeter depends on
    requirements.py msgspec numpy            these of its dependencies
    requirements.py --extras cpu msgspec     these and those of an extra (or of several: cpu,gpu)

Standard library only: it runs before anything is installed.
"""

import argparse
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

NAME = re.compile(r"[A-Za-z0-9._-]+")


def chosen(project: dict[str, Any], names: list[str], extras: list[str]) -> list[str]:
    """Return the requirements of `names` (all when empty) and of the extras.

    Raises `SystemExit` when the project has no such dependency or extra.
    """
    dependencies = {name_of(line): line for line in project["dependencies"]}
    optional = project["optional-dependencies"]
    if missing := [name for name in names if name not in dependencies]:
        sys.exit(f"pyproject.toml has no dependency {' '.join(missing)}")
    if missing := [extra for extra in extras if extra not in optional]:
        sys.exit(f"pyproject.toml has no extra {' '.join(missing)}, only {' '.join(optional)}")
    return [
        *(dependencies[name] for name in names or dependencies),
        *(line for extra in extras for line in optional[extra]),
    ]


def name_of(requirement: str) -> str:
    """Return the distribution's name at the start of a requirement."""
    found = NAME.match(requirement)
    assert found is not None, requirement
    return found.group()


def main() -> None:
    """Read ./pyproject.toml and print what the command line asks for."""
    parser = argparse.ArgumentParser(description="Print requirements out of pyproject.toml.")
    parser.add_argument("names", nargs="*", help="dependencies; all when none is named")
    parser.add_argument("--extras", default="", help="extras to add, separated by commas")
    asked = parser.parse_args()
    extras = asked.extras.split(",") if asked.extras else []
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    sys.stdout.write("\n".join(chosen(project, asked.names, extras)) + "\n")


if __name__ == "__main__":
    main()
