"""Models and their versions as tables."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from rich.markup import escape
from rich.table import Table

from billing.registry import Registered, Version
from cli import terminal
from consumers.detector.weights import shown
from wire.model_failures import ModelFailure

DIGEST_SHOWN = 12

Failures = Mapping[tuple[str, str], ModelFailure]


def models_table(lines: Sequence[Registered], failures: Failures) -> Table:
    """Return all models, each with what runs."""
    columns = ("model", "version", "canary", "class", "task", "versions", "source", "detectors")
    view = terminal.table("Models", columns, numbers=("versions",))
    for line in lines:
        active = line.version(line.active)
        view.add_row(
            line.model,
            line.active or "[yellow]none[/yellow]",
            f"{line.canary} {line.percent} %" if line.canary else "",
            line.size_class,
            line.task,
            str(len(line.versions)),
            "" if active is None else escape(shown(active.source)),
            _detectors(line, failures),
        )
    return view


def versions_table(line: Registered, failures: Failures) -> Table:
    """Return the versions of one model, and why one of them does not run."""
    columns = ("version", "state", "added", "activated", "sha256", "source", "why, or a note")
    title = f"{line.model}, class {line.size_class}, {line.task}"
    view = terminal.table(title, columns)
    for version in line.versions:
        view.add_row(
            version.version,
            _state(line, version),
            _moment(version.added_at),
            _moment(version.activated_at),
            version.sha256[:DIGEST_SHOWN],
            escape(shown(version.source)),
            _why(version, failures.get((line.model, version.version))),
        )
    return view


def _state(line: Registered, version: Version) -> str:
    if version.version == line.active:
        return "[green]active[/green]"
    if version.version == line.canary:
        return f"canary {line.percent} %"
    return "[red]refused[/red]" if version.refused is not None else ""


def _why(version: Version, failure: ModelFailure | None) -> str:
    parts = [escape(text) for text in (version.refused, version.note) if text]
    if failure is not None:
        told = f"{failure.detector} at {_moment(failure.at)}: {failure.reason}"
        parts.append(f"[red]fails on[/red] {escape(told)}")
    return "; ".join(parts)


def _detectors(line: Registered, failures: Failures) -> str:
    failing = [name for name in (line.active, line.canary) if (line.model, name) in failures]
    return f"[red]{' '.join(map(str, failing))} fails[/red]" if failing else ""


def _moment(at: datetime | None) -> str:
    return "" if at is None else at.strftime("%Y-%m-%d %H:%M:%S")
