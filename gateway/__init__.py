"""framemeter: gateway."""
