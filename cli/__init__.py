"""framemeter: cli."""
