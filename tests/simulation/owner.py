"""One owner of a stream: the real `pipeline.funding`, with its producer and its gateway calls.

Frames leave in order. What a failed send had still in hand is written wholly, partly, later or
not at all, and nobody is told. A gateway call may be lost on either way, come late or twice.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from pipeline.contract import Action, Close, Contract, Phase, Place, Renew
from pipeline.funding import Funding
from tests.simulation.rows import Violation, moment
from wire import frames
from wire.errors import FramemeterError, InsufficientTokens, Retryable, SessionOver
from wire.sessions import Grant, OpenSession, WhenUnreachable

if TYPE_CHECKING:
    from tests.simulation.world import World

Answer = tuple[Grant, float] | FramemeterError | None
AWAY = Retryable("no answer")
IN_HAND_MAX = 4


class Frame:
    """A frame on its way, and on its topic; `captured_at` in simulated seconds."""

    __slots__ = ("captured_at", "identity", "key")

    def __init__(self, contract: Contract, place: Place, now: float) -> None:
        self.captured_at = now
        self.key = (contract.stream, place.epoch, place.seq)
        self.identity = frames.Frame(
            account=contract.account,
            stream=contract.stream,
            epoch=place.epoch,
            seq=place.seq,
            model=contract.model,
            height=contract.height,
            width=contract.width,
            captured_at=moment(now),
            tier=contract.tier,
            max_age_ms=contract.max_age_ms,
            source_height=contract.height,
            source_width=contract.width,
            picture=b"",
        )


class Owner:
    """A line of frames under one contract."""

    __slots__ = (
        "_answers",
        "_asked",
        "_contract",
        "_doubted",
        "_hand",
        "_input",
        "_reply",
        "_unheard",
        "_world",
        "frozen_until",
        "funding",
        "name",
    )

    def __init__(self, world: "World", name: str, contract: Contract, index: int) -> None:
        self._world = world
        self.name = name
        self._contract = contract
        self._input = index
        self.frozen_until = 0.0
        self.start()

    def start(self) -> None:
        """Begin with nothing remembered."""
        self.funding = Funding(self._contract, spread=self._world.chance.roll())
        self._hand: list[tuple[Place, Frame]] = []
        self._answers: list[Place] = []
        self._asked: Action | None = None
        self._reply: Answer = None
        self._doubted = -1
        self._unheard = False

    def crash(self) -> None:
        """Die; what was handed to the network may still arrive."""
        if self._hand:
            self._world.later(self._writing([frame for _, frame in self._hand]))
        if self._asked is not None and self._world.chance.roll() < 0.3:
            self._late(self._asked)
        self.start()

    def step(self) -> None:
        """Do one thing of those that may happen now."""
        roll = self._world.chance.roll()
        if roll < 0.35 and self._publish():
            return
        if self._hand and roll < 0.7:
            self._send()
        elif self._answers and roll < 0.85:
            self.funding.acked(self._answers.pop(0))
        else:
            self._talk()

    # Frames -------------------------------------------------------------------------------------

    def _publish(self) -> bool:
        """Number a frame or a few; False: there is no number to be had."""
        chance = self._world.chance
        if len(self._hand) >= IN_HAND_MAX or chance.calm:
            return False
        for _ in range(1 + chance.below(3)):
            self.funding.note_captured()
            place = self.funding.reserve(self._world.now)
            if place is None:
                return False
            self._number(place)
        return True

    def _number(self, place: Place) -> None:
        world = self._world
        row = world.ledger.sessions[self._contract.stream, place.epoch]
        if place.seq >= row.granted:
            raise Violation(f"{place} is published and not paid for")
        if place.epoch == self._doubted:
            raise Violation(f"{place}: a number was handed out after a doubt")
        if self._unheard and world.ledger.policies[row.account] is WhenUnreachable.STOP:
            raise Violation(f"{place}: its account wants to stop while nobody answers")
        self._hand.append((place, Frame(self._contract, place, world.now)))
        if world.trace:
            world.trace(f"{self.name} numbers {place.epoch}/{place.seq}")

    def _send(self) -> None:
        world, chance = self._world, self._world.chance
        if chance.fault("send lost"):
            self._fail(1)
        elif chance.fault("send answer lost"):
            self._fail(0)
        elif chance.fault("send late"):
            world.later(self._writing([frame for _, frame in self._hand]))
            self._fail(len(self._hand))
        else:
            place, frame = self._hand.pop(0)
            world.inputs[self._input].append(frame)
            if chance.fault("send copied"):
                world.inputs[self._input].append(frame)
            self._answers.append(place)
            if world.trace:
                world.trace(f"{self.name} sent {place.epoch}/{place.seq}")

    def _fail(self, lost: int) -> None:
        """Fail all in hand; the first `lost` are not written now, of the rest nobody knows."""
        world = self._world
        count = lost + world.chance.below(len(self._hand) - lost + 1)
        self._writing([frame for _, frame in self._hand[lost:count]])()
        for place, _ in self._hand:
            self.funding.failed(place)
            self._doubted = place.epoch
        if world.trace:
            world.trace(f"{self.name} failed to send {len(self._hand)}")
        self._hand.clear()

    def _writing(self, sent: list[Frame]) -> Callable[[], None]:
        return lambda: self._world.inputs[self._input].extend(sent)

    # The gateway --------------------------------------------------------------------------------

    def _talk(self) -> None:
        world, chance = self._world, self._world.chance
        if self._reply is not None:
            self._hear(self._reply)
            return
        if self._asked is None:
            self._asked = self.funding.next_action(world.now)
            return
        action = self._asked
        if chance.fault("call lost"):
            self._hear(AWAY)
            return
        if chance.fault("call late"):
            self._late(action)
            self._hear(AWAY)
            return
        answer = self._ask(action)
        if chance.fault("call repeated"):
            answer = self._ask(action)
        if chance.fault("call answer lost"):
            answer = AWAY
        if chance.fault("call answer slow"):
            self._reply = answer
        else:
            self._hear(answer)

    def _late(self, action: Action) -> None:
        self._world.later(lambda: self._ask(action))

    def _ask(self, action: Action) -> Answer:
        world, stream = self._world, self._contract.stream
        try:
            match action:
                case OpenSession():
                    return world.ledger.open(action, world.now)
                case Renew():
                    return world.ledger.renew(stream, action.epoch, action.request, world.now)
                case Close():
                    world.ledger.close(stream, action.epoch, action.request, world.now)
                    return None
        except (InsufficientTokens, SessionOver) as error:
            world.chance.counts[type(error).__name__] += 1
            return error

    def _hear(self, answer: Answer) -> None:
        world, funding, action = self._world, self.funding, self._asked
        self._asked = self._reply = None
        self._unheard = isinstance(answer, Retryable) and isinstance(action, Renew)
        if world.trace:
            world.trace(f"{self.name} asked {action} and heard {answer}")
        match answer:
            case Retryable():
                funding.unanswered(answer, world.now)
            case FramemeterError():
                funding.refused(answer, world.now)
            case None:
                funding.closed()
            case grant, expires_at:
                news = funding.opened if isinstance(action, OpenSession) else funding.renewed
                news(grant, now=world.now, ttl_s=expires_at - world.now)

    # The end ------------------------------------------------------------------------------------

    def stop(self) -> None:
        """End as on SIGTERM: no more numbers; `drained` does the rest."""
        self.funding.stop("stop")

    def give_up_waiting(self) -> None:
        """Do what the line does when answers do not come in time: they are in doubt."""
        if self._hand or self._answers:
            if self._hand:
                self._world.later(self._writing([frame for _, frame in self._hand]))
            self._hand.clear()
            self._answers.clear()
        self.funding.abandon()

    @property
    def over(self) -> bool:
        """Say whether nothing more will come."""
        return self.funding.phase is Phase.OVER and not self._hand and self._asked is None
