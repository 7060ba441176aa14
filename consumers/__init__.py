"""framemeter: consumers."""
