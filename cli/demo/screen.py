"""What the demo shows while it runs: steps with their seconds, and the live table."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from rich.console import Console, RenderableType
from rich.live import Live

REFRESH_S = 0.5
REPORT_EVERY_S = 5.0


class Screen:
    """Writes for a terminal, or for a log when nobody watches."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._started = time.monotonic()

    @property
    def elapsed_s(self) -> float:
        """Seconds since the demo began."""
        return time.monotonic() - self._started

    def say(self, what: str) -> None:
        """Write one step with the seconds since the start."""
        self._console.print(f"[dim]{self.elapsed_s:5.1f} s[/dim]  {what}", soft_wrap=True)

    def show(self, *pictures: RenderableType) -> None:
        """Write tables and text."""
        self._console.print(*pictures, sep="\n")

    async def live(
        self, seconds: float, picture: Callable[[float], Awaitable[RenderableType]]
    ) -> float:
        """Show `picture(seconds left)` until the time is over; return the seconds it took.

        Without a terminal it is written every few seconds instead.
        """
        started = reported = time.monotonic()
        with Live(console=self._console, auto_refresh=False, transient=True) as screen:
            while (left_s := started + seconds - time.monotonic()) > 0:
                view = await picture(left_s)
                if self._console.is_terminal:
                    screen.update(view, refresh=True)
                elif time.monotonic() - reported >= REPORT_EVERY_S:
                    reported = time.monotonic()
                    self._console.print(view)
                await asyncio.sleep(min(REFRESH_S, left_s))
        return time.monotonic() - started
