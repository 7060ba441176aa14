"""framemeter: samples."""
