"""An engine that hangs ends its process; others do its frames, each of them once."""

import numpy as np
import pytest
import simplejpeg

from consumers.detector.watchdog import EXIT_ENGINE_HANGS
from tests.integration.consumers.floor import Floor, now_frame, used
from tests.unit.consumers.detector.made import HEIGHT, WIDTH

pytestmark = pytest.mark.integration
BLACK = bytes(
    simplejpeg.encode_jpeg(np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8), colorspace="BGR")
)
FRAMES = 20


async def test_a_hanging_engine_ends_its_process_and_nothing_is_counted_twice(
    floor: Floor,
) -> None:
    module = "tests.integration.consumers.hanging"
    floor.start("hanging", module=module, FRAMEMETER_ENGINE_HANG_S="1")
    for seq in range(FRAMES):
        more = {"picture": BLACK} if seq == FRAMES // 2 else {}
        floor.send(now_frame(seq, **more))
    floor.flush()
    process = floor.processes.pop("hanging")
    await floor.until(lambda: process.poll() is not None, what="the end of the process")
    assert process.returncode == EXIT_ENGINE_HANGS
    assert "the engine hangs" in floor.log("hanging")
    assert "hanging.py" in floor.log("hanging"), "it says where it stands"
    floor.start("other")
    await floor.detected(FRAMES)
    counts = used(floor.usage())
    assert len(counts) == FRAMES
    assert set(counts.values()) == {1}
