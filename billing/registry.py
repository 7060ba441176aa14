"""What is known of models and versions, and which version may run. Pure.

Promises that every refusal says what differs from what, and what to do instead.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from wire.errors import Rejected
from wire.models import ModelSpec

NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version; `classes` by id when somebody has loaded it, `refused` why it may never run."""

    model: str
    version: str
    source: str
    sha256: str
    confidence: float
    iou: float
    note: str = ""
    classes: tuple[str, ...] | None = None
    refused: str | None = None
    added_at: datetime = field(default=NEVER, compare=False)
    activated_at: datetime | None = field(default=None, compare=False)

    @classmethod
    def of(cls, row: Any) -> "Version":
        """Return the version that a row holds."""
        classes = row["classes"]
        return cls(**{**row, "classes": None if classes is None else tuple(classes)})

    def columns(self) -> tuple[object, ...]:
        """Return what is kept of it, in the order of `catalog.put_version`."""
        return (
            self.model,
            self.version,
            self.source,
            self.sha256,
            self.confidence,
            self.iou,
            self.note,
            None if self.classes is None else list(self.classes),
            self.refused,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """A model: its price terms, what runs, and all its versions, the oldest first."""

    model: str
    size_class: str
    task: str
    active: str | None
    canary: str | None = None
    percent: int = 0
    versions: tuple[Version, ...] = ()

    def version(self, name: str | None) -> Version | None:
        """Return the version of this name."""
        return next((each for each in self.versions if each.version == name), None)


def registered(rows: Iterable[Any], versions: Sequence[Any]) -> tuple[Registered, ...]:
    """Return models made of their rows and those of their versions."""
    return tuple(
        Registered(
            model=row["model"],
            size_class=row["size_class"],
            task=row["task"],
            active=row["active"],
            canary=row["canary"],
            percent=row["canary_percent"] or 0,
            versions=tuple(Version.of(each) for each in versions if each["model"] == row["model"]),
        )
        for row in rows
    )


def check_terms(spec: ModelSpec, line: Registered) -> None:
    """Raise `Rejected` when the version would change what the model's price follows from."""
    for what, asked, known in (
        ("task", spec.task, line.task),
        ("size class", spec.size_class, line.size_class),
    ):
        if asked != known:
            raise Rejected(
                f"model {spec.model} is registered with {what} {known}, and open sessions are"
                f" priced by it: a version of {what} {asked} needs a model name of its own"
            )


def changed(
    spec: ModelSpec,
    known: Version | None,
    *,
    note: str,
    classes: Sequence[str] | None,
    refused: str | None,
) -> Version:
    """Return the version as it shall be kept; raise `Rejected` when the weights are others."""
    made = Version(
        model=spec.model,
        version=spec.version,
        source=spec.source,
        sha256=spec.sha256,
        confidence=spec.confidence,
        iou=spec.iou,
        note=note,
        classes=None if classes is None else tuple(classes),
        refused=refused,
    )
    if known is None:
        return made
    if _is_other(spec, known):
        raise Rejected(
            f"version {spec.version} of model {spec.model} has other weights already: give these"
            " another version"
        )
    tested = classes is not None or refused is not None
    return replace(
        made,
        sha256=spec.sha256 or known.sha256,
        note=note or known.note,
        classes=made.classes or known.classes,
        refused=refused if tested else known.refused,
    )


def may_activate(version: Version, active: Version | None) -> None:
    """Raise `Rejected` when the version was refused or finds other things than the active one."""
    if version.refused is not None:
        raise Rejected(
            f"version {version.version} of model {version.model} was refused: {version.refused};"
            " add it again to test it again"
        )
    if active is None or active.classes is None or version.classes is None:
        return
    if active.classes != version.classes:
        raise Rejected(
            f"version {version.version} of model {version.model} has other classes than the active"
            f" version {active.version}: register it as a model of its own"
        )


def _is_other(spec: ModelSpec, known: Version) -> bool:
    if spec.sha256 and known.sha256:
        return spec.sha256 != known.sha256
    return spec.source != known.source
