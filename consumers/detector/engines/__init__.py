"""Engines: what turns a batch of pictures into objects. See `protocol.py` and `choose.py`."""

import sys

# OpenVINO's Python tools report their use to their maker; without this module they do not.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
