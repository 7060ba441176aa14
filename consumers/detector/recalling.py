"""What the result cache does to a batch: before decoding, and when its frames have ended.

Promises that each frame is looked up once, and that what is kept was found by the very version
that its key names.
"""

from collections.abc import Sequence

from consumers.detector.endings import Endings
from consumers.detector.loading import Loaded
from consumers.detector.metering import Outcome
from consumers.detector.pieces import Piece, Work
from consumers.detector.results import Kept, Recall, Results
from wire.usage import Status

Ended = list[tuple[Piece, Outcome]]


class Recalling:
    """Ends frames whose results are known, and keeps those of the others."""

    def __init__(self, results: Results, endings: Endings) -> None:
        self._results = results
        self._endings = endings

    async def before(self, pieces: Sequence[Piece], loaded: Loaded) -> Recall:
        """End the frames whose result was found before; return what is known of the others."""
        asked = {
            piece.work: piece for piece in pieces if piece.sheet is None or piece.sheet.key is None
        }
        recall = await self._results.recall(list(asked), loaded.spec)
        for work, piece in asked.items():
            if piece.sheet is not None:
                piece.sheet.key = (recall.keys[work], loaded.spec.version)
            kept = recall.kept.get(work)
            if kept is not None:
                own = kept.frame == work.frame.id
                status = Status.DETECTED if own else Status.CACHED
                self._endings.found(piece, kept.objects, loaded, status)
        return recall

    def after(self, ended: Ended, recall: Recall, loaded: Loaded) -> None:
        """Keep what was found, and end the copies as the frames whose pictures they repeat."""
        found: dict[str, Kept] = {}
        outcomes: dict[Work, Outcome] = {}
        for piece, outcome in ended:
            outcomes[piece.work] = outcome
            key = _key_of(piece, recall, loaded)
            if key is not None and outcome.status is Status.DETECTED:
                found[key] = Kept(frame=piece.work.frame.id, objects=outcome.objects)
        self._results.keep(found)
        for copy, leader in recall.leaders.items():
            self._endings.copied(copy, outcomes[leader])


def _key_of(piece: Piece, recall: Recall, loaded: Loaded) -> str | None:
    """Return the key of a frame; None when another version made its result meanwhile."""
    if piece.sheet is None:
        return recall.keys[piece.work]
    key = piece.sheet.key
    return key[0] if key is not None and key[1] == loaded.spec.version else None
