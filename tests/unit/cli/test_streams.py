"""The list of cameras shows what was set, and no password."""

from datetime import UTC, datetime
from io import StringIO

from rich.console import Console

from cli.streams import table
from wire import streams
from wire.slicing import Slices
from wire.streams import StreamSpec


def shown(spec: StreamSpec) -> str:
    """Return the list of this one camera as text."""
    console = Console(width=200, file=StringIO())
    console.print(table({spec.stream: streams.encode(spec, at=datetime(2026, 1, 1, tzinfo=UTC))}))
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def camera(*, slices: Slices | None = None, motion: float = 0.0) -> StreamSpec:
    """Return the spec of a camera with a password."""
    return StreamSpec(
        stream="gate",
        account="park",
        source="rtsp://user:secret@camera/1",
        model="m",
        height=384,
        width=640,
        fps=2.5,
        slices=slices,
        motion=motion,
    )


def test_slices_and_motion_are_shown_when_they_are_set() -> None:
    text = shown(camera(slices=Slices(rows=2, columns=3, overlap=0.25), motion=0.002))
    assert "384x640 in 2x3 tiles (0.25)" in text and "2.5, motion 0.002" in text
    plain = shown(camera())
    assert "384x640 " in plain and "tiles" not in plain and "motion" not in plain


def test_a_password_is_not_shown() -> None:
    assert "rtsp://camera/1" in shown(camera()) and "secret" not in shown(camera())
