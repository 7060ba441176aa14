"""A detector whose engine never comes back from a batch with a black picture in it."""

import asyncio
import threading

from consumers.detector.__main__ import detect
from consumers.detector.decode import Pictures
from consumers.detector.engines.fake import FakeEngine
from consumers.detector.engines.protocol import Objects
from consumers.detector.settings import DetectorSettings
from wire.models import ModelSpec
from wire.process import read_settings, run
from wire.telemetry import configure_logging

BLACK = 0


class HangingEngine(FakeEngine):
    """Waits for ever when the first pixel is black."""

    def infer(self, pictures: Pictures) -> list[Objects]:
        """Answer, or never."""
        if any(picture[0, 0].tolist() == [BLACK] * 3 for picture in pictures):
            threading.Event().wait()
        return super().infer(pictures)


class HangingLoader:
    """Loads nothing else."""

    def load(self, spec: ModelSpec) -> HangingEngine:
        """Return the engine for any model."""
        return HangingEngine()


def main() -> None:
    """Run the detector as its own main does."""
    settings = read_settings(DetectorSettings)
    configure_logging(settings, process="detector")

    async def hang(stop: asyncio.Event) -> None:
        await detect(settings, stop, loader=HangingLoader())

    run(hang)


if __name__ == "__main__":
    main()
