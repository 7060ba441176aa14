"""The cores of a process are what is scheduled, or what a container's quota leaves of them."""

from pathlib import Path

import pytest

from wire import cores
from wire.cores import quota_cores, scheduled_cores, usable_cores


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "scheduled_cores", lambda: 8)


def groups(folder: Path, own: str, limits: dict[str, str]) -> tuple[Path, Path]:
    """Write a tree of cgroups with these limits; return it, and the file that names our own."""
    for name, limit in limits.items():
        (folder / "groups" / name).mkdir(parents=True, exist_ok=True)
        (folder / "groups" / name / "cpu.max").write_text(limit)
    (folder / "own").write_text(own)
    return folder / "groups", folder / "own"


@pytest.mark.parametrize(
    ("own", "limits", "expected"),
    [
        ("0::/\n", {"": "200000 100000\n"}, 2),
        ("0::/\n", {"": "150000 100000\n"}, 1),
        ("0::/\n", {"": "50000 100000\n"}, 1),
        ("0::/\n", {"": "max 100000\n"}, 0),
        ("0::/\n", {"": "800000 100000\n"}, 0),
        ("0::/\n", {"": "broken"}, 0),
        ("0::/\n", {}, 0),
        ("0::/pod/box\n", {"pod": "300000 100000", "pod/box": "max 100000"}, 3),
        ("0::/pod/box\n", {"pod": "300000 100000", "pod/box": "100000 50000"}, 2),
        ("0::/pod/gone\n", {"pod": "300000 100000"}, 3),
        ("4:memory:/box\n0::/\n", {"": "400000 100000"}, 4),
    ],
)
def test_the_least_quota_of_all_groups_counts(
    tmp_path: Path, own: str, limits: dict[str, str], expected: int
) -> None:
    assert quota_cores(*groups(tmp_path, own, limits)) == expected


def test_without_cgroups_there_is_no_quota(tmp_path: Path) -> None:
    assert quota_cores(tmp_path, tmp_path / "missing") == 0


def test_a_quota_leaves_fewer_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "quota_cores", lambda: 3)
    assert usable_cores() == 3
    monkeypatch.setattr(cores, "quota_cores", lambda: 0)
    assert usable_cores() == 8


def test_this_machine_has_cores() -> None:
    assert scheduled_cores() >= 1
