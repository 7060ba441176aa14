"""Footage, demo weights, drawn scenes and an RTSP server: what the demo and the tests play.

Imports nothing of the other packages, so that it can be used, moved or left out alone.
"""
