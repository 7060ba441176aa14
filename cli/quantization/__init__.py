"""From a float model to an int8 one that is as good: pictures and judgement. See `quantize.py`."""
