"""How many cores this process may use, which `taskset` or a container can make fewer.

A container's limit of processors is no set of cores but a share of time on all of them: libraries
that count cores make a thread for each, and all of them stand still when the share is used up.
The limit is read as cgroup v2 has it.
"""

import os
from pathlib import Path

GROUPS = Path("/sys/fs/cgroup")
OWN_GROUP = Path("/proc/self/cgroup")
UNIFIED = "0::"


def usable_cores() -> int:
    """Return the cores that the system schedules this process on, or fewer by a quota."""
    return quota_cores() or scheduled_cores()


def scheduled_cores() -> int:
    """Return the cores that the system schedules this process on."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not every system can tell
        return os.cpu_count() or 1


def quota_cores(groups: Path = GROUPS, own: Path = OWN_GROUP) -> int:
    """Return the whole cores of the quota, at least one; 0 when none is below what is scheduled."""
    quota = min(map(_quota_of, _folders(groups, own)), default=float("inf"))
    return max(1, int(quota)) if quota < scheduled_cores() else 0


def _folders(groups: Path, own: Path) -> list[Path]:
    """Return the folders of this process's group and of all above it."""
    try:
        lines = own.read_text("utf-8").splitlines()
    except OSError:
        return []
    name = next((line.removeprefix(UNIFIED) for line in lines if line.startswith(UNIFIED)), "/")
    folder = groups / name.strip("/")
    return [folder, *(above for above in folder.parents if above.is_relative_to(groups))]


def _quota_of(folder: Path) -> float:
    """Return the cores that one group's `cpu.max` grants: `QUOTA PERIOD` in microseconds."""
    try:
        quota, period = (folder / "cpu.max").read_text("ascii").split()
        return int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):  # no file, or "max": no limit
        return float("inf")
