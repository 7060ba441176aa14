"""The demo's processes: gateway, detector, biller, producer, and an RTSP camera.

Each has a log file; one that dies by itself is reported with the end of its log.
"""

import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from cli.local.ports import free_port
from cli.local.process import die_with_parent
from wire.errors import Misconfigured

LOG_TAIL_LINES = 15
STOP_TIMEOUT_S = 15.0


@dataclass(slots=True, kw_only=True)
class Role:
    """One process of the system, started as `python -m module arguments`."""

    name: str
    module: str
    arguments: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    log: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process; it dies with this one."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", self.module, *self.arguments],
                env=os.environ | {"FRAMEMETER_LOG_FORMAT": "json"} | self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )

    def check(self) -> None:
        """Raise `Misconfigured` with the end of its log when the process is gone."""
        if self.process is not None and self.process.poll() is not None:
            raise Misconfigured(
                f"the {self.name} stopped by itself (exit code {self.process.returncode});"
                f" the end of {self.log}:\n{self.log_tail()}"
            )

    def log_tail(self) -> str:
        """Return the last lines of the log."""
        lines = self.log.read_text(errors="replace").splitlines()
        return "\n".join(lines[-LOG_TAIL_LINES:])

    def stop(self) -> None:
        """Ask the process to stop, insist after a while."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None


STOP_ORDER = ("producer", "rtsp", "detector", "gateway", "biller")


class Cast:
    """All processes of one demo, on free loopback ports, with logs in one folder."""

    def __init__(self, logs: Path) -> None:
        self.logs = logs
        self.ports = {name: free_port() for name in ("gateway", "rtsp", "detector")}
        self._roles: dict[str, Role] = {}
        logs.mkdir(parents=True, exist_ok=True)

    @property
    def gateway_url(self) -> str:
        """Where the gateway answers."""
        return f"http://127.0.0.1:{self.ports['gateway']}"

    def start_camera(self, mount: str, footage: Path) -> str:
        """Start the RTSP camera; return the URL that it will answer at."""
        port = self.ports["rtsp"]
        self._start("rtsp", "samples.rtsp", "--port", str(port), "--mount", f"{mount}={footage}@0")
        return f"rtsp://127.0.0.1:{port}/{mount}"

    def start_system(self, key: str) -> None:
        """Start the four roles; `key` is the producer's."""
        self._start("gateway", "gateway", HOST="127.0.0.1", PORT=str(self.ports["gateway"]))
        self._start("detector", "consumers.detector", METRICS_PORT=str(self.ports["detector"]))
        self._start("biller", "billing")
        self._start(
            "producer",
            "pipeline",
            GATEWAY=self.gateway_url,
            KEY=key,
        )

    def _start(self, name: str, module: str, *arguments: str, **settings: str) -> None:
        role = Role(
            name=name,
            module=module,
            arguments=arguments,
            environment={f"FRAMEMETER_{setting}": value for setting, value in settings.items()},
            log=self.logs / f"{name}.log",
        )
        self._roles[name] = role
        role.start()

    def check(self) -> None:
        """Raise `Misconfigured` when a process stopped by itself."""
        for role in self._roles.values():
            role.check()

    def log_tail(self, name: str) -> str:
        """Return the last lines of a process's log."""
        return self._roles[name].log_tail()

    def stop(self, *names: str) -> None:
        """Stop these processes, or all, those that feed others first."""
        for name in STOP_ORDER:
            if name in self._roles and (not names or name in names):
                self._roles[name].stop()
