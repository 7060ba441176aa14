"""Which streams are ours and what must be done about it. Pure.

The roster keeps the newest good spec of every stream of the partitions that we hold; `plan`
compares it with what runs.
"""

from dataclasses import dataclass, field

from wire import streams
from wire.errors import Rejected
from wire.streams import StreamSpec

PRICED_FIELDS = ("account", "stream", "model", "height", "width", "tier", "slices")
"""What a session's price contract fixes: a change of any of them needs a new epoch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to do, in this order; each stream appears once."""

    stop: list[str] = field(default_factory=list)
    amend: list[StreamSpec] = field(default_factory=list)
    """Another source or pace under the same contract: the session goes on."""
    restart: list[StreamSpec] = field(default_factory=list)
    """Another contract: the old session is closed first."""
    start: list[StreamSpec] = field(default_factory=list)


def plan(wanted: dict[str, StreamSpec], running: dict[str, StreamSpec]) -> Plan:
    """Return how to get from what runs to what is wanted."""
    steps = Plan(stop=[stream for stream in running if stream not in wanted])
    for stream, spec in wanted.items():
        before = running.get(stream)
        if before is None:
            steps.start.append(spec)
        elif is_repriced(before, spec):
            steps.restart.append(spec)
        elif before != spec:
            steps.amend.append(spec)
    return steps


def is_repriced(before: StreamSpec, after: StreamSpec) -> bool:
    """Say whether the change needs a new price contract."""
    return any(getattr(before, name) != getattr(after, name) for name in PRICED_FIELDS)


class Roster:
    """The newest good spec of every stream, by partition of the topic `streams`."""

    def __init__(self) -> None:
        self._specs: dict[int, dict[str, StreamSpec]] = {}

    def assign(self, partitions: frozenset[int]) -> None:
        """Hold exactly these partitions, with nothing known of them yet."""
        self._specs = {partition: {} for partition in partitions}

    def hear(self, partition: int, key: bytes | None, value: bytes | None) -> str | None:
        """Take one message; return what is wrong with it, if anything.

        A bad spec changes nothing: what was known of the stream before stays.
        """
        specs = self._specs.get(partition)
        if specs is None:
            return None
        if key is None:
            return "a message without a key names no stream"
        stream = key.decode(errors="replace")
        if value is None:
            specs.pop(stream, None)
            return None
        try:
            spec = streams.decode(value)
        except Rejected as error:
            return f"the spec of stream {stream!r} is not usable: {error}"
        if spec.stream != stream:
            return f"the spec under key {stream!r} is one of stream {spec.stream!r}"
        specs[stream] = spec
        return None

    def wanted(self) -> dict[str, StreamSpec]:
        """Return the specs of all streams that are ours."""
        return {stream: spec for specs in self._specs.values() for stream, spec in specs.items()}
