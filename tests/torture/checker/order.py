"""Rules about order: a stream's frames keep theirs from the frames topic to the results.

Epochs of one stream may overlap on its topic (a frozen owner wakes up) and run side by side in two
tiers; what holds is the order in which the frames of a tier were published. Frames that were taken
again on purpose are left out.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import pairwise

from tests.torture.checker.evidence import Evidence
from tests.torture.checker.messages import FrameId, spelled


def published(it: Evidence) -> Iterator[str]:
    """A session's frames are published in the order of their numbers, in one partition."""
    newest: dict[tuple[str, int], FrameId] = {}
    for frame in it.published.values():
        session = frame.id[:2]
        before = newest.get(session)
        if before is not None and frame.id < before:
            yield f"{spelled(frame.id)} was published after {spelled(before)}"
        if before is not None and _place(it, before) != _place(it, frame.id):
            yield f"{spelled(frame.id)} and {spelled(before)} lie in two partitions"
        newest[session] = max(frame.id, before or frame.id)


def detections(it: Evidence) -> Iterator[str]:
    """A stream's detections come in the order in which its frames were published."""
    return _kept(it, (detection.id for detection in it.detections), "detected")


def usage(it: Evidence) -> Iterator[str]:
    """A session's usage comes in the order of its frames."""
    ended: dict[tuple[str, int], list[FrameId]] = defaultdict(list)
    for event in it.original_usage:
        ended[event.session] += event.frames
    for frames in ended.values():
        yield from _kept(it, frames, "ended")


def _kept(it: Evidence, frames: Iterable[FrameId], what: str) -> Iterator[str]:
    lines: dict[tuple[str, str], list[FrameId]] = defaultdict(list)
    for frame in dict.fromkeys(frames):
        if frame in it.published and frame not in it.replayed:
            lines[frame[0], it.published[frame].topic].append(frame)
    for line in lines.values():
        for before, after in pairwise(line):
            if it.published[before].offset > it.published[after].offset:
                yield f"{spelled(before)} {what} before {spelled(after)}, published after it"


def _place(it: Evidence, frame: FrameId) -> tuple[str, int]:
    published = it.published[frame]
    return published.topic, published.partition


RULES = {
    "order.frames": published,
    "order.detections": detections,
    "order.usage": usage,
}
