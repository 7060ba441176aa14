"""The slot keeps the newest pictures, or makes a patient source wait."""

import asyncio
import threading

from pipeline.slot import Slot


async def test_a_full_slot_drops_the_oldest() -> None:
    slot: Slot[int] = Slot(2, patient=False)
    assert [slot.put(number) for number in range(5)] == [0, 0, 1, 1, 1]
    assert [await slot.get(), await slot.get()] == [3, 4]


async def test_a_patient_slot_loses_nothing_of_a_faster_thread() -> None:
    slot: Slot[int] = Slot(2, patient=True)

    def fill() -> None:
        for number in range(200):
            assert slot.put(number) == 0
        slot.close()

    thread = threading.Thread(target=fill)
    thread.start()
    taken = []
    while (item := await slot.get()) is not None:
        taken.append(item)
    thread.join(5)
    assert taken == list(range(200))


async def test_closing_frees_a_thread_that_waits() -> None:
    slot: Slot[int] = Slot(1, patient=True)
    costs: list[int] = []
    slot.put(1)
    thread = threading.Thread(target=lambda: costs.append(slot.put(2)))
    thread.start()
    await asyncio.sleep(0.05)
    assert slot.close(discard=True) == 1
    await asyncio.to_thread(thread.join, 5)
    assert costs == [1]
    assert await slot.get() is None


async def test_what_is_in_the_slot_when_it_closes_is_still_given_out() -> None:
    slot: Slot[int] = Slot(2, patient=False)
    slot.put(1)
    slot.close()
    assert [await slot.get(), await slot.get()] == [1, None]
