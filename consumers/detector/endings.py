"""How frames end in the stage: with their objects, or with the reason why they have none.

Promises that a frame ends once: its other tiles are withdrawn with it, and what comes back for
one that is over is dropped.
"""

from dataclasses import replace

from consumers.detector.batching import Batcher
from consumers.detector.engines.protocol import Objects
from consumers.detector.figures import Figures
from consumers.detector.loading import Loaded
from consumers.detector.metering import NO_VERSION, Outcome
from consumers.detector.models import Models
from consumers.detector.pieces import Piece, Work
from wire.clock import Clock
from wire.usage import Status


class Endings:
    """Tells the owners of frames how they ended."""

    def __init__(
        self, *, batcher: Batcher[Piece], models: Models, clock: Clock, figures: Figures
    ) -> None:
        self._batcher = batcher
        self._models = models
        self._clock = clock
        self._figures = figures

    def found(
        self, piece: Piece, objects: Objects, loaded: Loaded, status: Status = Status.DETECTED
    ) -> Outcome | None:
        """End a frame with its objects; return how, None when it was over already."""
        return self._end(
            piece,
            Outcome(
                identity=piece.work.frame,
                status=status,
                at=self._clock.now(),
                objects=objects,
                version=loaded.spec.version,
                task=loaded.engine.task,
            ),
        )

    def lost(
        self, piece: Piece, status: Status, *, reason: str, version: str = NO_VERSION
    ) -> Outcome | None:
        """End a frame without objects; return how, None when it was over already."""
        frame = piece.work.frame
        return self._end(
            piece,
            Outcome(
                identity=frame,
                status=status,
                at=self._clock.now(),
                reason=reason,
                dead=piece.work.origin if status is Status.REJECTED else None,
                version=version,
                task=self._models.task(frame.model),
            ),
        )

    def copied(self, work: Work, outcome: Outcome) -> None:
        """End a whole frame as another one with the same picture ended, but at no cost."""
        status = Status.CACHED if outcome.status is Status.DETECTED else outcome.status
        dead = work.origin if outcome.dead is not None else None
        self._tell(work, replace(outcome, identity=work.frame, status=status, dead=dead))

    def _end(self, piece: Piece, outcome: Outcome) -> Outcome | None:
        sheet = piece.sheet
        if sheet is not None:
            if sheet.over:
                return None
            if not sheet.is_complete:
                self._batcher.drop(lambda other: other.sheet is sheet)
            sheet.close()
        self._tell(piece.work, outcome)
        return outcome

    def _tell(self, work: Work, outcome: Outcome) -> None:
        self._figures.finished(work.frame, outcome)
        work.finish(outcome)
