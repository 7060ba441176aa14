"""framemeter: billing."""
