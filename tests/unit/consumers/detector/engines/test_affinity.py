"""Engines leave the choice of cores to the system: a machine is shared with others."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from samples.catalog import PARK_MODEL

THREADS = Path("/proc/self/task")
SCRIPT = """
import json, os, sys, threading
from pathlib import Path
import numpy as np
from consumers.detector.engines.{module} import {engine}
from consumers.detector.engines.protocol import Thresholds
whole = sorted(os.sched_getaffinity(0))
engine = {engine}(Path(sys.argv[1]), Thresholds(confidence=0.3, iou=0.7), threads={threads})
engine.prepare(96, 128)
seen = set()
def work(pictures):
    for _ in range(20):
        engine.infer(np.zeros((pictures, 96, 128, 3), dtype=np.uint8))
for pictures in (1, 8):
    worker = threading.Thread(target=work, args=(pictures,))
    worker.start()
    while worker.is_alive():  # some pin a thread only while it works
        for task in os.listdir("/proc/self/task"):
            try:
                seen.add(tuple(sorted(os.sched_getaffinity(int(task)))))
            except ProcessLookupError:
                continue
print(json.dumps([whole, sorted(seen)]))
"""
pytestmark = pytest.mark.skipif(not THREADS.is_dir(), reason="affinities are read as Linux has it")


@pytest.mark.parametrize("threads", [0, 1, 2])
def test_openvino_pins_no_thread(threads: int) -> None:
    """Two processes with pinned threads would share the first cores and leave the others idle."""
    assert_unpinned("openvino", "OpenVinoEngine", PARK_MODEL.openvino, threads)


@pytest.mark.parametrize("threads", [0, 1, 2])
def test_onnx_runtime_pins_no_thread(threads: int, onnx_model: Path) -> None:
    assert_unpinned("onnx", "OnnxEngine", onnx_model, threads)


def assert_unpinned(module: str, engine: str, path: Path, threads: int) -> None:
    """Run an engine in a process of its own and look at all threads of that."""
    script = SCRIPT.format(module=module, engine=engine, threads=threads)
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True
    )
    whole, seen = json.loads(done.stdout)
    assert seen == [whole]
