"""Cameras in, funded frames out: sources, sampling, funding, publishing, the fleet."""
