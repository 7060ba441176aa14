"""The table of topics: names, partition counts, settings.

The first six form columns: same key (the stream), same partition count, so that partition p of
`frames.*` is read by one lane, which writes to partition p of the others alone.
"""

from dataclasses import dataclass, field

from wire.frames import Tier

DEFAULT_PREFIX = "framemeter."
MINUTE_MS = 60_000
DAY_MS = 24 * 60 * MINUTE_MS
MESSAGE_BYTES_MAX = 4 * 1024 * 1024
DEADLETTER_BYTES_MAX = MESSAGE_BYTES_MAX + 64 * 1024
"""The largest message that anyone can send us, and the headers that say why it lies here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """One topic as it is to be created."""

    name: str
    partitions: int
    config: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Topics:
    """All topic names under one prefix, and the table to create them from."""

    prefix: str = DEFAULT_PREFIX
    partitions: int = 8

    def frames(self, tier: Tier) -> str:
        """Return the frames topic of a tier."""
        return f"{self.prefix}frames.{tier.value}"

    @property
    def frames_all(self) -> tuple[str, ...]:
        """Both frames topics, the priority tier first."""
        return self.frames(Tier.PRIORITY), self.frames(Tier.STANDARD)

    @property
    def detections(self) -> str:
        """The results, one a frame."""
        return f"{self.prefix}detections"

    @property
    def usage(self) -> str:
        """The usage events: the audit log."""
        return f"{self.prefix}usage"

    @property
    def replies(self) -> str:
        """Results that a gateway replica waits for."""
        return f"{self.prefix}replies"

    @property
    def deadletter(self) -> str:
        """What could not be read, as it came."""
        return f"{self.prefix}deadletter"

    @property
    def streams(self) -> str:
        """Stream specs, compacted."""
        return f"{self.prefix}streams"

    @property
    def models(self) -> str:
        """Active model versions, compacted."""
        return f"{self.prefix}models"

    @property
    def balances(self) -> str:
        """Account balances, compacted."""
        return f"{self.prefix}balances"

    def table(self) -> tuple[Topic, ...]:
        """Return every topic with its partitions and settings."""
        frame_config = {
            "retention.ms": str(10 * MINUTE_MS),
            "segment.ms": str(5 * MINUTE_MS),
            "compression.type": "uncompressed",
        }
        json_config = {"compression.type": "lz4"}
        column = (
            *((name, frame_config) for name in self.frames_all),
            (self.detections, json_config | {"retention.ms": str(7 * DAY_MS)}),
            (self.usage, json_config | {"retention.ms": str(400 * DAY_MS)}),
            (self.replies, json_config | {"retention.ms": str(10 * MINUTE_MS)}),
            (
                self.deadletter,
                {
                    "retention.ms": str(7 * DAY_MS),
                    "max.message.bytes": str(DEADLETTER_BYTES_MAX),
                },
            ),
        )
        compacted = (self.streams, self.models, self.balances)
        shared = {"max.message.bytes": str(MESSAGE_BYTES_MAX)}
        return (
            *(
                Topic(name=name, partitions=self.partitions, config=shared | config)
                for name, config in column
            ),
            *(
                Topic(
                    name=name,
                    partitions=self.partitions if name == self.streams else 1,
                    config=shared | json_config | {"cleanup.policy": "compact"},
                )
                for name in compacted
            ),
        )
