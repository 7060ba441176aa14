"""Write the golden files anew: `python -m tests.golden.write`, then read `git diff`."""

from tests.golden.messages import FILES, golden


def main() -> None:
    """Replace every file by the bytes that the code writes now."""
    for stale in FILES.iterdir():
        stale.unlink()
    for name, content in golden().items():
        (FILES / name).write_bytes(content)


if __name__ == "__main__":
    main()
