"""Results found before: identical pictures under identical terms need no engine for a while.

The key is a digest of the account, the model's version and thresholds, the sizes, the slices and
the JPEG's bytes. Promises that the cache only ever saves work: a Valkey that is away, slow or
answers nonsense makes frames be computed, and is left alone for a moment. A frame that meets its
own result (its transaction failed and it was read again) is still the one that pays for it.
"""

import asyncio
import hashlib
import zlib
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field

import msgspec
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from consumers.detector.figures import Figures
from consumers.detector.pieces import Work
from wire.clock import Clock
from wire.detections import DetectedObject
from wire.frames import Frame
from wire.models import ModelSpec, alone

KEY_PREFIX = "framemeter:result:"
ANSWER_S_MAX = 0.02
"""How long a batch waits for the cache: less than what it saves."""
AWAY_S = 1.0
"""How long the cache is left alone after it did not answer."""
WRITES_MAX = 16
COMPRESSED_OVER_BYTES = 4096
COMPRESSED = b"z"
VALUE_BYTES_MAX = 4 * 1024 * 1024
log = structlog.stdlib.get_logger("consumers.detector.results")


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A result, and the id of the frame for which it was found."""

    frame: str
    objects: tuple[DetectedObject, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recall:
    """What is known of a batch: keys, results found before, and who shares whose result."""

    keys: Mapping[Work, str] = field(default_factory=dict)
    kept: Mapping[Work, Kept] = field(default_factory=dict)
    leaders: Mapping[Work, Work] = field(default_factory=dict)
    """For each copy, the frame of the batch whose result it takes."""

    def needs_engine(self, work: Work) -> bool:
        """Say whether the frame has no result yet and takes no other's."""
        return work not in self.kept and work not in self.leaders


class Results:
    """The cache, in a Valkey that may be away."""

    def __init__(
        self, redis: Redis, *, window_s: float, executor: Executor, clock: Clock, figures: Figures
    ) -> None:
        self._redis = redis
        self._window_ms = round(window_s * 1000)
        self._executor = executor
        self._clock = clock
        self._figures = figures
        self._away_until = 0.0
        self._writes: set[asyncio.Task[None]] = set()

    async def recall(self, works: Sequence[Work], spec: ModelSpec) -> Recall:
        """Return what is known of these frames; they are to be run by `spec`."""
        loop = asyncio.get_running_loop()
        frames = [work.frame for work in works]
        keys = await loop.run_in_executor(self._executor, keys_of, frames, spec)
        values = await self._read(keys)
        kept: dict[Work, Kept] = {}
        leaders: dict[Work, Work] = {}
        first: dict[str, Work] = {}
        for work, key, value in zip(works, keys, values, strict=True):
            found = unpack(value)
            if found is not None:
                kept[work] = found
            elif first.setdefault(key, work) is not work and work.frame.slices is None:
                leaders[work] = first[key]
        self._figures.cache_hits.inc(len(kept) + len(leaders))
        self._figures.cache_misses.inc(len(works) - len(kept) - len(leaders))
        return Recall(keys=dict(zip(works, keys, strict=True)), kept=kept, leaders=leaders)

    def keep(self, found: Mapping[str, Kept]) -> None:
        """Remember results for the window, behind the caller's back; few writes at a time."""
        if found and len(self._writes) < WRITES_MAX and not self._is_away:
            task = asyncio.create_task(self._write(found))
            self._writes.add(task)
            task.add_done_callback(self._writes.discard)

    async def close(self) -> None:
        """Let go of the connections."""
        for task in self._writes:
            task.cancel()
        await asyncio.gather(*self._writes, return_exceptions=True)
        await self._redis.aclose()

    @property
    def _is_away(self) -> bool:
        return self._clock.monotonic() < self._away_until

    async def _read(self, keys: Sequence[str]) -> Sequence[object]:
        nothing: Sequence[object] = (None,) * len(keys)
        if self._is_away:
            return nothing
        try:
            async with asyncio.timeout(ANSWER_S_MAX):
                values: Sequence[object] = await self._redis.mget(keys)
        except (RedisError, OSError) as error:  # TimeoutError is an OSError
            self._leave_alone(error)
            return nothing
        return values

    async def _write(self, found: Mapping[str, Kept]) -> None:
        try:
            async with asyncio.timeout(AWAY_S):
                async with self._redis.pipeline(transaction=False) as pipeline:
                    for key, kept in found.items():
                        pipeline.set(key, pack(kept), px=self._window_ms)
                    await pipeline.execute()
        except (RedisError, OSError) as error:
            self._leave_alone(error)

    def _leave_alone(self, error: Exception) -> None:
        self._away_until = self._clock.monotonic() + AWAY_S
        log.warning("the result cache does not answer: frames are computed", reason=repr(error))


def keys_of(frames: Sequence[Frame], spec: ModelSpec) -> list[str]:
    """Return the key of each frame's result when `spec` makes it."""
    terms = hashlib.blake2b(msgspec.json.encode(alone(spec)), digest_size=32)
    keys = []
    for frame in frames:
        digest = terms.copy()
        contract = (frame.account, frame.height, frame.width, frame.slices)
        digest.update(msgspec.json.encode(contract))
        digest.update(frame.picture)
        keys.append(KEY_PREFIX + digest.hexdigest())
    return keys


def pack(kept: Kept) -> bytes:
    """Return a result as bytes, compressed when it is large."""
    value = msgspec.json.encode(kept)
    if len(value) <= COMPRESSED_OVER_BYTES:
        return value
    return COMPRESSED + zlib.compress(value, level=1)


def unpack(value: object) -> Kept | None:
    """Return the result that the bytes are; None when they are none."""
    if not isinstance(value, bytes) or not value:
        return None
    try:
        if value[:1] == COMPRESSED:
            value = zlib.decompressobj().decompress(value[1:], VALUE_BYTES_MAX)
        return msgspec.json.decode(value, type=Kept)
    except (zlib.error, msgspec.DecodeError, UnicodeDecodeError):
        return None
