"""The place between a decoding thread and the event loop: few pictures, the newest ones.

A live source never waits: what is too old falls out. A patient slot makes its source wait
instead, so that every picture of a file that is played as fast as possible gets through.
"""

import asyncio
import threading
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Slot(Generic[T]):
    """Filled by one thread, emptied by one task of the loop that it was made on."""

    def __init__(self, size: int, *, patient: bool) -> None:
        assert size > 0
        self._size = size
        self._patient = patient
        self._items: deque[T] = deque()
        self._space = threading.Condition()
        self._closed = False
        self._filled = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def put(self, item: T) -> int:
        """Put an item in, from the thread; return how many items it cost (0 or 1)."""
        with self._space:
            if self._patient:
                self._space.wait_for(lambda: self._closed or len(self._items) < self._size)
            if self._closed:
                return 1
            dropped = len(self._items) == self._size
            if dropped:
                self._items.popleft()
            self._items.append(item)
            self._loop.call_soon_threadsafe(self._filled.set)
        return int(dropped)

    async def get(self) -> T | None:
        """Wait for the oldest item; None when the slot is closed and empty."""
        while True:
            with self._space:
                if self._items:
                    item = self._items.popleft()
                    self._space.notify()
                    return item
                if self._closed:
                    return None
                self._filled.clear()
            await self._filled.wait()

    def close(self, *, discard: bool = False) -> int:
        """Take nothing more, from either side; return how many items were thrown away."""
        with self._space:
            self._closed = True
            thrown = len(self._items) if discard else 0
            if discard:
                self._items.clear()
            self._space.notify_all()
            if not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self._filled.set)
        return thrown
