"""`framemeter streams`: add, list and remove cameras in the compacted topic `streams`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from cli import streamfile, terminal
from cli.deployment import Deployment, deployment
from cli.models import register
from wire import slicing, streams
from wire.compacted import put, snapshot
from wire.errors import Rejected
from wire.frames import Tier
from wire.streams import Pace, StreamSpec


def build() -> typer.Typer:
    """Return the command group."""
    group = typer.Typer(no_args_is_help=True, help="Cameras: add, change, list, remove.")
    group.command("add")(add)
    group.command("apply")(apply)
    group.command("list")(show)
    group.command("remove")(remove)
    return group


async def publish(target: Deployment, specs: tuple[StreamSpec, ...]) -> None:
    """Write the specs; producers start, change or restart these cameras."""
    now = target.clock.now()
    rows: dict[str, bytes | None] = {
        spec.stream: streams.encode(streams.check(spec), at=now) for spec in specs
    }
    await put(target.kafka, target.topics.streams, rows)


async def withdraw(target: Deployment, names: tuple[str, ...]) -> None:
    """Remove the streams; producers stop these cameras and close their sessions."""
    await put(target.kafka, target.topics.streams, dict.fromkeys(names, None))


def add(  # noqa: PLR0913  (each one is an option of the command)
    stream: Annotated[str, typer.Argument(help="The stream's name.")],
    source: Annotated[str, typer.Argument(help="File, rtsp://, http:// or https:// URL.")],
    account: Annotated[str, typer.Option(help="Who pays.")],
    model: Annotated[str, typer.Option(help="A registered model.")],
    size: Annotated[str, typer.Option(help="Inference size, HEIGHTxWIDTH.")] = "640x640",
    fps: Annotated[float, typer.Option(help="Frames a second, at most.")] = 5.0,
    tier: Annotated[Tier, typer.Option(help="Priority costs more and goes first.")] = Tier.STANDARD,
    max_age_ms: Annotated[int, typer.Option(help="Older frames expire, free.")] = 5_000,
    once: Annotated[bool, typer.Option(help="Play a file once instead of looping.")] = False,
    fast: Annotated[bool, typer.Option(help="Play a file as fast as it goes.")] = False,
    slices: Annotated[
        str, typer.Option(help="For tiny objects: ROWSxCOLUMNSxOVERLAP tiles of that size.")
    ] = "",
    motion: Annotated[
        float, typer.Option(help="Share of the picture that must change, as 0.002; 0: all.")
    ] = 0.0,
) -> None:
    """Add a camera, or change the one of this name."""
    height, width = streamfile.parse_size(size)
    spec = StreamSpec(
        stream=stream,
        account=account,
        source=source if "://" in source else str(Path(source).resolve()),
        model=model,
        height=height,
        width=width,
        fps=fps,
        tier=tier,
        max_age_ms=max_age_ms,
        loop=not once,
        pace=Pace.FAST if fast else Pace.REALTIME,
        slices=slicing.parse(slices) if slices else None,
        motion=motion,
    )
    terminal.run(publish(deployment(), (spec,)))
    terminal.output().print(f"stream [bold]{stream}[/bold] is set")


def apply(
    path: Annotated[Path, typer.Argument(help="A TOML file with [[stream]] tables.")],
    account: Annotated[str, typer.Option(help="Who pays, where the file does not say.")],
) -> None:
    """Add or change all cameras (and models) of a file."""
    content = streamfile.read(path, account=account)
    terminal.run(_apply(deployment(), content))
    terminal.output().print(f"{len(content.streams)} streams and {len(content.models)} models set")


async def _apply(target: Deployment, content: streamfile.StreamFile) -> None:
    await register(target, content.models)
    await publish(target, content.streams)


def show() -> None:
    """List the cameras."""
    target = deployment()
    rows = terminal.run(snapshot(target.kafka, target.topics.streams))
    terminal.output().print(table(rows))


def table(rows: Mapping[str, bytes]) -> Table:
    """Return the specs as they are shown: slices with the size, motion with the fps."""
    view = terminal.table(
        "Streams", ("stream", "account", "model", "size", "fps", "tier", "source")
    )
    for name, value in sorted(rows.items()):
        try:
            spec = streams.decode(value)
        except Rejected as error:
            view.add_row(name, "", "", "", "", "", f"[red]{error}[/red]")
            continue
        size = f"{spec.height}x{spec.width}"
        if spec.slices is not None:
            size += f" in {spec.slices.rows}x{spec.slices.columns} tiles ({spec.slices.overlap:g})"
        fps = f"{spec.fps:g}" if not spec.motion else f"{spec.fps:g}, motion {spec.motion:g}"
        source = without_password(spec.source)
        view.add_row(spec.stream, spec.account, spec.model, size, fps, spec.tier, source)
    return view


def without_password(source: str) -> str:
    """Return a camera's URL as it may be shown: without user and password."""
    scheme, separator, rest = source.partition("://")
    if not separator:
        return source
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"


def remove(
    names: Annotated[list[str], typer.Argument(help="Streams to remove.")],
) -> None:
    """Remove cameras; their sessions close and settle."""
    terminal.run(withdraw(deployment(), tuple(names)))
    terminal.output().print(f"{len(names)} removed")
