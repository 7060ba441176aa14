"""How hypothesis runs here: by the number of examples; a timing is never a test's assertion."""

from hypothesis import settings

settings.register_profile("framemeter", deadline=None)
settings.load_profile("framemeter")
