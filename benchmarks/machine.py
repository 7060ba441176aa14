"""What a record says of the code and of the machine that it ran on."""

import os
import platform
import subprocess
from pathlib import Path

from benchmarks.record import Machine
from wire.cores import usable_cores

ROOT = Path(__file__).parents[1]
CPU_FACTS = Path("/proc/cpuinfo")
GIB = 1 << 30
QUERY_TIMEOUT_S = 10.0
NOT_CODE = (":(exclude)benchmarks/results", ":(exclude)docs")


def this_machine() -> Machine:
    """Return the machine's facts."""
    facts = CPU_FACTS.read_text() if CPU_FACTS.exists() else ""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Machine(
        cpu=cpu_model(facts) or platform.machine(),
        cores=usable_cores(),
        memory_gib=round(memory / GIB, 1),
        python=platform.python_version(),
        gpu=_gpu(),
    )


def cpu_model(facts: str) -> str:
    """Return the model in the text of Linux's cpuinfo, or nothing."""
    for line in facts.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return ""


def _gpu() -> str:
    """Return the name of the first GPU as its driver tells it; nothing without one."""
    query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=QUERY_TIMEOUT_S)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.partition("\n")[0].strip() if done.returncode == 0 else ""


def commit() -> str:
    """Return the short hash of what is checked out, with -dirty when tracked code differs."""
    head = _git("rev-parse", "--short", "HEAD")
    if head is None:
        return "unknown"
    clean = _git("diff", "--quiet", "HEAD", "--", ".", *NOT_CODE) is not None
    return head if clean else f"{head}-dirty"


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)
    except FileNotFoundError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None
