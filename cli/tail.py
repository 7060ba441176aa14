"""`framemeter tail`: detections as they are committed, one line each."""

from typing import Annotated

import typer

from cli import terminal
from cli.deployment import Deployment, deployment
from consumers.subscribe import subscribe
from wire.detections import Detection


def tail(
    streams: Annotated[
        list[str] | None, typer.Argument(help="Only these streams; all when none is named.")
    ] = None,
) -> None:
    """Print detections as they come, until interrupted."""
    try:
        terminal.run(_tail(deployment(), frozenset(streams or ())))
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


async def _tail(target: Deployment, streams: frozenset[str]) -> None:
    console = terminal.output()
    async with subscribe(target.kafka, target.topics, streams=streams or None) as detections:
        async for detection in detections:
            console.print(line(detection), soft_wrap=True)


def line(detection: Detection) -> str:
    """Return one detection as a line for people."""
    latency = (detection.detected_at - detection.captured_at).total_seconds() * 1_000
    seen = ", ".join(f"{o.class_name} {o.confidence:.2f}" for o in detection.objects)
    what = seen or detection.reason or "nothing"
    return f"{detection.id}  {detection.status}  {latency:.0f} ms  {what}"
