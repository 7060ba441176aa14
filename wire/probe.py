"""A health check for containers without curl: `python -m wire.probe URL`.

It exits 0 when the URL answers 2xx within three seconds, else 1 with the reason.
"""

import http.client
import sys
import urllib.request

TIMEOUT_S = 3.0


def probe(url: str) -> str | None:
    """Return None when `url` answers 2xx, else what went wrong."""
    if not url.startswith(("http://", "https://")):
        return f"{url!r} is not an http URL"
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S):  # noqa: S310  (checked above)
            return None
    except (OSError, ValueError, http.client.HTTPException) as error:
        return f"{url}: {error}"


def main() -> None:
    """Check the one URL on the command line."""
    if len(sys.argv) != 2:
        sys.exit("usage: python -m wire.probe URL")
    sys.exit(probe(sys.argv[1]))


if __name__ == "__main__":
    main()
