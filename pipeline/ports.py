"""What a line of frames needs from outside: someone who funds it, and a way to the topic."""

from collections.abc import Awaitable
from typing import Protocol

from wire.frames import Frame
from wire.sessions import CloseSession, Grant, OpenSession, RenewSession


class SessionsPort(Protocol):
    """Where sessions are opened and funded. Each call raises `Refused`, `Rejected`, `Retryable`."""

    async def open(self, request: OpenSession) -> Grant:
        """Open the stream's next epoch."""
        ...

    async def renew(self, stream: str, epoch: int, request: RenewSession) -> Grant:
        """Fund more frames of an epoch."""
        ...

    async def close(self, stream: str, epoch: int, request: CloseSession) -> None:
        """End an epoch; repeating it does nothing."""
        ...


class FramesPort(Protocol):
    """Where frames are written; `pipeline.publish.FramePublisher` is the real one."""

    async def ready(self) -> None:
        """Raise `Retryable` when nothing can be sent; nothing was sent then."""
        ...

    async def enqueue(self, frame: Frame) -> Awaitable[None]:
        """Put the frame in line and return its answer; `Retryable` means that nobody knows."""
        ...
