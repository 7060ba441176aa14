"""Loading gives way where the process may, and leaves no thread slower than before."""

import os
import threading
from collections.abc import Iterator

import pytest

from consumers.detector import quiet
from consumers.detector.quiet import NICE, giving_way, may_return


def nice_of(thread: int) -> int:
    return os.getpriority(os.PRIO_PROCESS, thread)


@pytest.fixture
def child() -> Iterator[list[threading.Thread]]:
    """Give room for a thread that lives until the end."""
    done = threading.Event()
    threads: list[threading.Thread] = [threading.Thread(target=done.wait)]
    yield threads
    done.set()
    for thread in threads:
        thread.join()


def test_what_is_started_meanwhile_is_slow_only_meanwhile(child: list[threading.Thread]) -> None:
    usual = may_return()
    if usual is None:
        pytest.skip("this process may not raise its priority again")
    seen: list[int] = []

    def load() -> None:
        me = threading.get_native_id()
        with giving_way() as is_quiet:
            assert is_quiet
            child[0].start()
            seen.extend((nice_of(me), nice_of(child[0].native_id or 0)))
        seen.extend((nice_of(me), nice_of(child[0].native_id or 0)))

    loading = threading.Thread(target=load)
    loading.start()
    loading.join()
    assert seen == [usual + NICE, usual + NICE, usual, usual]


def test_nothing_is_changed_where_there_is_no_way_back(
    monkeypatch: pytest.MonkeyPatch, child: list[threading.Thread]
) -> None:
    monkeypatch.setattr(quiet, "may_return", lambda: None)
    before = nice_of(threading.get_native_id())
    with giving_way() as is_quiet:
        assert not is_quiet
        assert nice_of(threading.get_native_id()) == before
        child[0].start()
    assert nice_of(child[0].native_id or 0) == before
