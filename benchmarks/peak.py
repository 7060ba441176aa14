"""What the GPU can do at most: bf16 operations a second of a large matrix product, measured."""

import asyncio
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

SIDE = 8_192
PRODUCTS = 50
OPERATIONS = 2 * SIDE**3


async def peak_teraflops() -> float | None:
    """Return it, measured in a process of its own; None where there is no CUDA device."""
    if not has_gpu():
        return None
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return await asyncio.get_running_loop().run_in_executor(pool, _measure)


def has_gpu() -> bool:
    """Say whether there is a CUDA device, without importing torch where there is no driver."""
    return any(Path("/dev").glob("nvidia[0-9]*"))


def _measure() -> float | None:
    import torch

    if not torch.cuda.is_available():
        return None
    one = torch.randn(SIDE, SIDE, device="cuda", dtype=torch.bfloat16)
    best_s = float("inf")
    for _ in range(3):
        torch.cuda.synchronize()
        started = time.perf_counter()
        for _ in range(PRODUCTS):
            torch.matmul(one, one)
        torch.cuda.synchronize()
        best_s = min(best_s, (time.perf_counter() - started) / PRODUCTS)
    return OPERATIONS / best_s / 1e12
