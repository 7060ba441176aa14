"""The error tree: a client can raise what the server raised, and the drawing is true."""

import wire.errors
from wire.errors import REFUSALS, FramemeterError, Misconfigured, Refused, Rejected, Retryable


def descendants(kind: type[Exception]) -> set[type[Exception]]:
    """Return every class below `kind` in the module."""
    below = {member for member in kind.__subclasses__() if member.__module__ == "wire.errors"}
    return below.union(*map(descendants, below))


def test_every_refusal_can_be_found_by_its_slug() -> None:
    assert set(REFUSALS.values()) == descendants(Refused)
    assert all(kind.slug == slug for slug, kind in REFUSALS.items())


def test_slugs_are_unique_and_fit_a_urn() -> None:
    slugs = [kind.slug for kind in descendants(Refused)]
    assert len(set(slugs)) == len(slugs)
    assert all(slug.replace("-", "").isalpha() and slug == slug.lower() for slug in slugs)
    assert Refused.slug not in slugs


def test_the_loop_can_tell_the_four_kinds_apart() -> None:
    kinds = {Retryable, Rejected, Refused, Misconfigured}
    ours = {kind for kind in FramemeterError.__subclasses__() if kind.__module__ == "wire.errors"}
    assert ours == kinds


def test_the_tree_is_drawn_with_every_member() -> None:
    drawing = wire.errors.__doc__ or ""
    for kind in descendants(FramemeterError):
        assert f"── {kind.__name__}" in drawing
