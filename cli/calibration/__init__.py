"""What a frame costs this machine, and the tariff that follows. See `cli/calibrate.py`."""
