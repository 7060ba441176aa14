"""Whether an int8 model is as good as the float one: AP50 of both on pictures of known truth.

A model of the drawn scenes' classes is judged by what was drawn. For others the truth is what the
float model itself reports on frames that the int8 one was not calibrated on; its own AP50 is 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from consumers.detector.decode import Pictures
from consumers.detector.engines.protocol import Engine, Objects
from samples.precision import Found, Judged, ap50, mean
from wire.errors import Rejected

DROP_MAX = 0.01
CONFIDENCE_MIN = 0.01
"""Boxes down to this confidence are ranked."""
BATCH = 8

Findings = Sequence[Sequence[Found]]
"""What was found in each picture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The AP50 of both models on the same pictures."""

    before: float
    after: float

    @property
    def is_accepted(self) -> bool:
        """Say whether less than `DROP_MAX` was lost."""
        return self.before - self.after < DROP_MAX


def findings(engine: Engine, pictures: Pictures) -> list[list[Found]]:
    """Return what an engine with the threshold `CONFIDENCE_MIN` finds in fitted pictures."""
    engine.prepare(*pictures.shape[1:3])
    answers: list[Objects] = []
    for begin in range(0, len(pictures), BATCH):
        answers.extend(engine.infer(pictures[begin : begin + BATCH]))
    return [found_of(objects) for objects in answers]


def found_of(objects: Objects) -> list[Found]:
    """Return the objects of one picture as AP50 takes them."""
    return [
        Found(
            class_id=one.class_id,
            confidence=one.confidence,
            x1=one.box[0],
            y1=one.box[1],
            x2=one.box[2],
            y2=one.box[3],
        )
        for one in objects
    ]


def judge(before: Findings, after: Findings, truth: Findings) -> Verdict:
    """Return the verdict; raise `Rejected` when there is nothing to judge by."""
    if not any(truth):
        raise Rejected("nothing is to be seen on the test pictures: give frames that show objects")
    return Verdict(before=_score(before, truth), after=_score(after, truth))


def reported(found: Findings, confidence: float) -> list[list[Found]]:
    """Return only what a model with this threshold reports."""
    return [[one for one in picture if one.confidence >= confidence] for picture in found]


def _score(found: Findings, truth: Findings) -> float:
    pairs = zip(found, truth, strict=True)
    return mean(ap50(Judged(found=boxes, truth=there) for boxes, there in pairs))
