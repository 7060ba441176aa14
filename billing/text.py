"""Text from outside, made fit for PostgreSQL, which keeps neither NUL nor lone surrogates."""


def storable(text: str) -> str:
    """Return the text without what the database would refuse."""
    return text.encode("utf-8", "replace").decode().replace("\0", "")
