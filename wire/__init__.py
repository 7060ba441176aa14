"""framemeter: wire."""
