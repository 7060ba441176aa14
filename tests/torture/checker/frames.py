"""Rules about frames: each one that was published ends once, as one thing, in its own column."""

from collections import Counter, defaultdict
from collections.abc import Iterator

from tests.torture.checker.evidence import Evidence
from tests.torture.checker.messages import FrameId, spelled


def readable(it: Evidence) -> Iterator[str]:
    """Every record is what its topic holds; what is no frame has its dead letter."""
    for record, reason in it.unreadable:
        is_frame = record.topic in it.frame_topics
        if not is_frame or (record.topic, record.partition, record.offset) not in it.dead:
            yield reason


def whole(it: Evidence) -> Iterator[str]:
    """No transaction is left open: everything that was written can be read."""
    for (topic, partition), found in sorted(it.bounds.items()):
        if found.is_open:
            yield f"{topic}[{partition}] is open from {found.stable}, its end is {found.high}"


def one_content(it: Evidence) -> Iterator[str]:
    """A frame that is there twice is the same frame."""
    for frame in it.frames:
        first = it.published[frame.id]
        if frame.digest != first.digest:
            yield (
                f"{spelled(frame.id)} at {frame.topic}[{frame.partition}]@{frame.offset} is not"
                f" what it is at {first.topic}[{first.partition}]@{first.offset}"
            )


def ended(it: Evidence) -> Iterator[str]:
    """Every published frame has a terminal status in usage."""
    spoken = {frame for event in it.usage for frame in event.frames}
    for frame in it.published:
        if frame not in spoken:
            yield f"{spelled(frame)} was published and never ended"


def usage_once(it: Evidence) -> Iterator[str]:
    """A frame ends in one usage event, unless it was replayed."""
    times = Counter(frame for event in it.original_usage for frame in event.frames)
    for frame, count in times.items():
        if count > 1 and frame not in it.replayed:
            yield f"{spelled(frame)} ended {count} times"


def detected_once(it: Evidence) -> Iterator[str]:
    """A frame has one detection; more only if it was replayed."""
    times = Counter(detection.id for detection in it.detections)
    for frame in it.published:
        count = times[frame]
        if count == 0 or (count > 1 and frame not in it.replayed):
            yield f"{spelled(frame)} has {count} detections"


def known(it: Evidence) -> Iterator[str]:
    """Detections and usage speak of published frames, on the same terms and in their column."""
    for frame, terms, partition, what in _claims(it):
        published = it.published.get(frame)
        if published is None:
            if it.is_complete(partition):
                yield f"{what} of {spelled(frame)}, which was never published"
        elif (terms, partition) != (published.terms, published.partition):
            yield (
                f"{what} of {spelled(frame)} in partition {partition} says {terms}; it was"
                f" published to {published.partition} as {published.terms}"
            )


def _claims(it: Evidence) -> Iterator[tuple[FrameId, object, int, str]]:
    for detection in it.detections:
        yield detection.id, detection.terms, detection.partition, "a detection"
    for event in it.usage:
        for frame in event.frames:
            yield frame, event.terms, event.partition, "usage"


def usage_agrees(it: Evidence) -> Iterator[str]:
    """Detections and usage say the same of a frame, also where it was taken again."""
    told: dict[FrameId, Counter[str]] = defaultdict(Counter)
    metered: dict[FrameId, Counter[str]] = defaultdict(Counter)
    for detection in it.detections:
        told[detection.id][detection.status] += 1
    for event in it.original_usage:
        for frame in event.frames:
            metered[frame][event.status] += 1
    for frame in told.keys() & metered.keys():
        ours, theirs = told[frame], metered[frame]
        strict = frame in it.replayed
        if ours != theirs if strict else set(ours) != set(theirs):
            yield f"{spelled(frame)}: detections say {dict(ours)}, usage says {dict(theirs)}"


def replied(it: Evidence) -> Iterator[str]:
    """A reply is a detection, to the byte; whoever waits for a frame gets one."""
    detections = {detection.digest for detection in it.detections}
    answered = {reply.id for reply in it.replies}
    for reply in it.replies:
        if reply.digest not in detections:
            yield f"the reply for {spelled(reply.id)} is no detection"
    for frame in it.published.values():
        if frame.reply is not None and frame.id not in answered:
            yield f"{frame.reply} waits for {spelled(frame.id)}, and there is no reply"


RULES = {
    "topics.whole": whole,
    "records.readable": readable,
    "frames.one_content": one_content,
    "frames.ended": ended,
    "frames.detected_once": detected_once,
    "usage.once": usage_once,
    "frames.known": known,
    "usage.agrees": usage_agrees,
    "replies.complete": replied,
}
