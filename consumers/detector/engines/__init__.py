"""Engines: what turns a batch of pictures into objects. See `protocol.py` and `choose.py`."""
