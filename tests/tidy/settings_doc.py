"""Writes docs/settings.md from the settings classes: `python -m tests.tidy.settings_doc`.

A test compares, so that no variable is missing there and none is left over.
"""

import importlib
from types import UnionType
from typing import Any, Literal, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from tests.tidy.tree import ROOT, product

PAGE = ROOT / "docs" / "settings.md"
HEAD = """# Settings

Every process is told what it needs by its environment. Variables of the wire are read by all
processes, the others by the package that they stand under. Written by
`python -m tests.tidy.settings_doc`.
"""


def settings_classes() -> list[type[BaseSettings]]:
    """Return every settings class of the product, the wire's first."""
    names = [m.path[:-3].replace("/", ".") for m in product() if m.path.endswith("/settings.py")]
    ordered = sorted(names, key=lambda name: (not name.startswith("wire."), name))
    return [
        member
        for module in map(importlib.import_module, ordered)
        for member in vars(module).values()
        if isinstance(member, type)
        and issubclass(member, BaseSettings)
        and member.__module__ == module.__name__
    ]


def own_fields(kind: type[BaseSettings]) -> dict[str, FieldInfo]:
    """Return the settings that a class adds to those of its parents."""
    inherited = {
        name
        for parent in kind.__mro__[1:]
        if issubclass(parent, BaseSettings)
        for name in parent.model_fields
    }
    return {name: field for name, field in kind.model_fields.items() if name not in inherited}


def variable(kind: type[BaseSettings], name: str, field: FieldInfo) -> str:
    """Return the environment variable of a setting."""
    alias = field.validation_alias
    return (
        alias if isinstance(alias, str) else f"{kind.model_config.get('env_prefix')}{name}".upper()
    )


def default(field: FieldInfo) -> str:
    """Return what holds when the variable is not set."""
    if field.is_required():
        return "must be set"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    return f"`{value}`" if value not in (None, "") else ""


def choices(annotation: Any) -> str:
    """Return the values that are allowed, where they are few."""
    if get_origin(annotation) is Literal:
        return " (" + ", ".join(f"`{value}`" for value in get_args(annotation)) + ")"
    if get_origin(annotation) is UnionType:
        return "".join(map(choices, get_args(annotation)))
    return ""


def page() -> str:
    """Return the page as it should be."""
    parts = [HEAD]
    for kind in settings_classes():
        about = (kind.__doc__ or "").split("\n")[0]
        parts.append(f"\n## {kind.__module__.removesuffix('.settings')}\n\n{about}\n")
        parts.append("\n| variable | default | what it is |\n|---|---|---|\n")
        parts += [
            f"| `{variable(kind, name, field)}` | {default(field)} |"
            f" {field.description}{choices(field.annotation)} |\n"
            for name, field in own_fields(kind).items()
        ]
    return "".join(parts)


if __name__ == "__main__":
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page())
