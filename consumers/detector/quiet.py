"""Lets a thread's work, and the threads that it starts, give way to the engine's for a while.

On Linux each thread has its own nice value, and a new thread inherits it: the pools that an engine
makes while it is compiled would stay slow for ever in a process that may not go back. So this does
something only where the process may (CAP_SYS_NICE, or a limit `nice` of 20 or more).
"""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

NICE = 10
_THREADS = Path("/proc/self/task")


@contextmanager
def giving_way() -> Iterator[bool]:
    """Run the block at low priority, then give every thread it made the usual one; say if it is."""
    usual = may_return()
    if usual is None:
        yield False
        return
    before = _threads()
    me = threading.get_native_id()
    os.setpriority(os.PRIO_PROCESS, me, usual + NICE)
    try:
        yield True
    finally:
        for thread in (_threads() - before) | {me}:
            _set(thread, usual)


@cache
def may_return() -> int | None:
    """Return the process's nice value when a thread can lower its priority and raise it again."""
    if not sys.platform.startswith("linux") or not _THREADS.is_dir():
        return None
    found: list[int] = []
    probe = threading.Thread(target=_probe, args=(found,), name="priority")
    probe.start()
    probe.join()
    return found[0] if found else None


def _probe(found: list[int]) -> None:
    """Try it in a thread that ends, so that a failure costs nothing."""
    me = threading.get_native_id()
    usual = os.getpriority(os.PRIO_PROCESS, me)
    try:
        os.setpriority(os.PRIO_PROCESS, me, usual + 1)
        os.setpriority(os.PRIO_PROCESS, me, usual)
    except OSError:
        return
    found.append(usual)


def _threads() -> set[int]:
    return {int(entry.name) for entry in _THREADS.iterdir()}


def _set(thread: int, nice: int) -> None:
    try:
        os.setpriority(os.PRIO_PROCESS, thread, nice)
    except ProcessLookupError:  # it has ended
        return
