"""The conversation with the gateway about one line: what `pipeline.funding` asks, one at a time."""

import asyncio

from pipeline.contract import Action, Close, Renew
from pipeline.funding import Funding
from pipeline.ports import SessionsPort
from wire.clock import Clock
from wire.errors import FramemeterError, Retryable
from wire.process import event_or_timeout
from wire.sessions import Grant, OpenSession


class Dialogue:
    """Carries out the machine's actions in the background and tells it the outcomes."""

    def __init__(self, funding: Funding, sessions: SessionsPort, clock: Clock) -> None:
        self._funding = funding
        self._sessions = sessions
        self._clock = clock
        self._asking: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self.latest: Grant | None = None

    def step(self) -> None:
        """Carry out what the machine wants next, in the background, one thing at a time."""
        if self._asking is not None:
            return
        action = self._funding.next_action(self._clock.monotonic())
        if action is not None:
            self._asking = asyncio.create_task(self._carry_out(action))

    async def _carry_out(self, action: Action) -> None:
        try:
            await self._ask(action)
        except Retryable as error:
            self._funding.unanswered(error, self._clock.monotonic())
        except FramemeterError as error:
            self._funding.refused(error, self._clock.monotonic())
        finally:
            self._asking = None
            self.wake()
        self.step()

    async def _ask(self, action: Action) -> None:
        stream = self._funding.contract.stream
        match action:
            case OpenSession():
                grant = await self._sessions.open(action)
                self.latest = grant
                self._funding.opened(grant, now=self._clock.monotonic(), ttl_s=self._ttl_s(grant))
            case Renew():
                grant = await self._sessions.renew(stream, action.epoch, action.request)
                self.latest = grant
                self._funding.renewed(grant, now=self._clock.monotonic(), ttl_s=self._ttl_s(grant))
            case Close():
                await self._sessions.close(stream, action.epoch, action.request)
                self._funding.closed()

    def _ttl_s(self, grant: Grant) -> float:
        return (grant.expires_at - self._clock.now()).total_seconds()

    def wake(self) -> None:
        """Let those who wait for a change look again."""
        self._changed.set()

    async def change(self, wait_s: float) -> None:
        """Wait until something happened, or a moment."""
        self._changed.clear()
        await event_or_timeout(self._changed, wait_s)

    def hang_up(self) -> None:
        """Ask nothing more; what is being asked stays unanswered."""
        if self._asking is not None:
            self._asking.cancel()
