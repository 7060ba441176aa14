"""How many cores this process may use, which a container or `taskset` can make fewer."""

import os


def usable_cores() -> int:
    """Return the cores that the system schedules this process on."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not every system can tell
        return os.cpu_count() or 1
