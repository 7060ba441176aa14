"""framemeter: pipeline."""
