"""The first moments of a child process, and who a process is.

Run as a script it writes its own pid file *before* it becomes the server, so that no crash of
the launcher can leave a server that nobody knows. It may use the standard library only: it
runs without site-packages. A process is named by its pid and its start, never by its pid alone.
"""

import ctypes
import json
import os
import pwd
import signal
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

PR_SET_PDEATHSIG = 1
PROC = Path("/proc")
PS_TIMEOUT_S = 5
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


class Facts(NamedTuple):
    """What the system says of one process."""

    parent: int
    state: str
    started: str
    program: str
    threads: int = 1


def facts(pid: int) -> Facts | None:
    """Return the facts of a process that runs or is stopped; None for none and for zombies."""
    found = _facts_of_proc(pid) if PROC.joinpath("self").exists() else _facts_of_ps(pid)
    # A first thread that ended before the others is a zombie, too, but its ports are still held.
    over = found is not None and found.state[:1] in "ZX" and found.threads <= 1
    return None if over else found


def _facts_of_proc(pid: int) -> Facts | None:
    try:
        line = PROC.joinpath(str(pid), "stat").read_text()
    except OSError:
        return None
    # The second field is the name in brackets, which may hold blanks and brackets itself.
    head, _, rest = line.rpartition(")")
    fields = rest.split()
    boot = PROC.joinpath("sys/kernel/random/boot_id").read_text().strip()
    return Facts(
        parent=int(fields[1]),
        state=fields[0],
        started=f"{boot} {fields[19]}",
        program=head.partition("(")[2],
        threads=int(fields[17]),
    )


def _facts_of_ps(pid: int) -> Facts | None:
    command = ["ps", "-o", "ppid=,stat=,lstart=,comm=", "-p", str(pid)]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=PS_TIMEOUT_S)
    words = answer.stdout.split()
    if len(words) < 8:
        return None
    return Facts(
        parent=int(words[0]),
        state=words[1],
        started=" ".join(words[2:7]),
        program=Path(" ".join(words[7:])).name,
    )


def family(pid: int) -> list[int]:
    """Return `pid` and all processes that descend from it, parents first."""
    children: dict[int, list[int]] = {}
    for process in _all_pids():
        if (found := facts(process)) is not None:
            children.setdefault(found.parent, []).append(process)
    members = [pid]
    for member in members:
        members.extend(children.get(member, ()))
    return members


def _all_pids() -> list[int]:
    if PROC.joinpath("self").exists():
        return [int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit()]
    command = ["ps", "-A", "-o", "pid="]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=PS_TIMEOUT_S)
    return [int(word) for word in answer.stdout.split()]


def die_with_parent() -> None:
    """Ask Linux to kill this process when the thread that started it ends.

    Other systems have no such request; there the launcher's orderly stop is all there is.
    """
    if _LIBC is not None:
        _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def main(pid_file: str, parent: str, user: str, *command: str) -> None:
    """Write the pid file, drop to `user` if one is given, and become `command`.

    `parent` is the launcher's pid if the child must die with it, else 0.
    """
    mine = facts(os.getpid())
    assert mine is not None, "a running process has facts"
    fresh = Path(f"{pid_file}.new")
    fresh.write_text(json.dumps({"pid": os.getpid(), "started": mine.started}))
    fresh.replace(pid_file)
    if user:
        account = pwd.getpwnam(user)
        os.setgroups([])
        os.setgid(account.pw_gid)
        os.setuid(account.pw_uid)
    if int(parent):
        die_with_parent()
        if os.getppid() != int(parent):
            sys.exit("the launcher is gone")
    try:
        os.execv(command[0], command)  # noqa: S606  (a list of our own, no shell)
    except OSError as error:
        sys.exit(f"cannot run {command[0]}: {error}")


if __name__ == "__main__":
    main(*sys.argv[1:])
