"""Sessions of this replica's own lines, in process: `pipeline.line.SessionsPort` on the ledger.

A close that could not be told, because the database was away or the line gave up waiting, is told
again until it is known, so that what the session held does not have to wait for its expiry.
"""

import asyncio
import contextlib

import structlog

from gateway.sessions import SessionBook
from wire.errors import Refused, Rejected, Retryable
from wire.sessions import CloseSession, Grant, OpenSession, RenewSession

AGAIN_S = 1.0
UNTOLD_MAX = 10_000

log = structlog.stdlib.get_logger("gateway.line_sessions")


class LineSessions:
    """Opens, renews and closes for whoever publishes here. `untold` closes are bounded."""

    def __init__(self, sessions: SessionBook, *, again_s: float = AGAIN_S) -> None:
        self._sessions = sessions
        self._again_s = again_s
        self._task: asyncio.Task[None] | None = None
        self.untold: dict[tuple[str, int], CloseSession] = {}

    async def start(self) -> None:
        """Begin to tell again what could not be told. A second call does nothing."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="line sessions")

    async def stop(self) -> None:
        """Tell what is untold once more, and end."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await self.tell_again()

    async def open(self, request: OpenSession) -> Grant:
        """Open the stream's next epoch."""
        return await self._sessions.open(request)

    async def renew(self, stream: str, epoch: int, request: RenewSession) -> Grant:
        """Fund more frames."""
        return await self._sessions.renew(stream, epoch, request, None)

    async def close(self, stream: str, epoch: int, request: CloseSession) -> None:
        """End an epoch; what raises here, or is cancelled, will be tried again."""
        if len(self.untold) < UNTOLD_MAX:
            self.untold[stream, epoch] = request
        await self._tell(stream, epoch, request)

    async def tell_again(self) -> None:
        """Try each untold close once, as long as the database answers."""
        for (stream, epoch), request in list(self.untold.items()):
            try:
                await self._tell(stream, epoch, request)
            except Retryable:
                return
            except (Refused, Rejected) as error:
                log.warning("a close was refused", stream=stream, epoch=epoch, reason=str(error))

    async def _tell(self, stream: str, epoch: int, request: CloseSession) -> None:
        try:
            await self._sessions.close(stream, epoch, request, None)
        except (Refused, Rejected):
            self.untold.pop((stream, epoch), None)
            raise
        self.untold.pop((stream, epoch), None)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._again_s)
            await self.tell_again()
