"""Where the shipped footage and the demo model lie, and the facts about them.

The one place that knows the paths; `models/park-n/metadata.json` is written from these facts.
"""

from dataclasses import dataclass
from pathlib import Path

_HERE = Path(__file__).resolve().parent

FOOTAGE = _HERE / "footage" / "park_real.mp4"
"""48 s of a real fixed camera: 480 frames, 768x576, 10 fps."""

MODEL_FOLDER = _HERE / "models" / "park-n"
"""Holds `park-n.pt`, `park-n.xml`, `park-n.bin`, `metadata.json` and the model's card."""

CLASSES = ("person", "bicycle", "car", "dog")
"""Names by class id, of the model and of the drawn scenes alike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """What has to be known to run and to price a model."""

    name: str
    size_class: str
    task: str
    stride: int
    height: int
    width: int
    confidence: float
    classes: tuple[str, ...]
    folder: Path

    @property
    def weights(self) -> Path:
        """Return the path of the torch checkpoint."""
        return self.folder / f"{self.name}.pt"

    @property
    def openvino(self) -> Path:
        """Return the path of the OpenVINO IR; its `.bin` lies beside it."""
        return self.folder / f"{self.name}.xml"

    @property
    def metadata(self) -> Path:
        """Return the path of the facts as JSON."""
        return self.folder / "metadata.json"


PARK_MODEL = ModelFacts(
    name="park-n",
    size_class="n",
    task="detect",
    stride=32,
    height=384,
    width=512,
    confidence=0.3,
    classes=CLASSES,
    folder=MODEL_FOLDER,
)
