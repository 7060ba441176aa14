"""The local stack: real Kafka, PostgreSQL and Valkey in one data folder.

A start adopts what runs and answers, and replaces what does not; a stop leaves no process. What
the environment names is used instead of started. Addresses stay the same between starts.
"""

import shutil
import signal
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cli.local.kafka import LocalKafka
from cli.local.ports import free_port, is_free
from cli.local.postgres import LocalPostgres
from cli.local.process import ServerProcess, tail
from cli.local.redis import LocalRedis
from cli.local.service import Service
from cli.local.state import only_launcher, read_ports, write_ports
from wire.errors import Misconfigured

READY_TIMEOUT_S = 90.0
ADOPT_TIMEOUT_S = 5.0
POLL_S = 0.05
DISK_FREE_MIB_MIN = 512
MIB = 1_048_576

Say = Callable[[str], None]
State = Literal["running", "silent", "paused", "stopped", "configured"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where the three services answer."""

    kafka: str
    postgres: str
    redis: str

    def as_environment(self) -> dict[str, str]:
        """Return the addresses under the names that our settings read."""
        return {
            LocalKafka.variable: self.kafka,
            LocalPostgres.variable: self.postgres,
            LocalRedis.variable: self.redis,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceStatus:
    """What is known of one service now; `silent` is a process that does not answer."""

    name: str
    state: State
    address: str = ""
    pid: int | None = None
    log: Path | None = None


def _say_nothing(_: str) -> None:
    return


class LocalStack:
    """The services of one data folder.

    `configured` gives addresses, by variable name, of services that run elsewhere. With
    `die_with_parent` the servers end when the thread that started them does. `kafka_proxy_port`
    is where a proxy listens that forwards to Kafka's port `kafka_behind_proxy`.
    """

    def __init__(
        self,
        folder: Path,
        configured: Mapping[str, str] | None = None,
        *,
        die_with_parent: bool = False,
        kafka_proxy_port: int | None = None,
    ) -> None:
        self.folder = folder.absolute()
        self._configured = dict(configured or {})
        self._die_with_parent = die_with_parent
        self._services: dict[str, Service] = {
            LocalKafka.name: LocalKafka(self.folder, proxy_port=kafka_proxy_port),
            LocalPostgres.name: LocalPostgres(self.folder),
            LocalRedis.name: LocalRedis(self.folder),
        }
        self._processes = {
            name: ServerProcess(
                name=service.title,
                pid_file=self.folder / f"{name}.pid",
                log=self.folder / "logs" / f"{name}.log",
                stop_signal=service.stop_signal,
            )
            for name, service in self._services.items()
        }

    def start(self, progress: Say = _say_nothing) -> Addresses:
        """Start what is neither configured nor running, and wait until everything answers.

        Raises `Misconfigured` (says what to change) or `Retryable` (the network was needed).
        What this call started is stopped again when it fails.
        """
        ours = [it for it in self._services.values() if it.variable not in self._configured]
        for service in ours:
            service.require()
        with only_launcher(self.folder, progress):
            (self.folder / "logs").mkdir(exist_ok=True)
            missing = self._adopt(ours, progress)
            if missing:
                _check_disk(self.folder)
                self._choose_ports(missing)
                self._start_together(missing, progress)
            return self._addresses()

    def stop(self) -> None:
        """Stop all servers of this folder, in order, and wait until they are gone."""
        if not self.folder.exists():
            return
        with only_launcher(self.folder, _say_nothing), ThreadPoolExecutor() as pool:
            stopping = [pool.submit(process.stop) for process in self._processes.values()]
            _all_done(stopping)

    def erase(self) -> None:
        """Stop, and remove the folder and every trace outside it."""
        self.stop()
        for service in self._services.values():
            service.erase()
        shutil.rmtree(self.folder, ignore_errors=True)

    def status(self) -> list[ServiceStatus]:
        """Return what is known of each service; ask those that run."""
        return [self._status(service) for service in self._services.values()]

    def known_addresses(self) -> dict[str, str]:
        """Return the addresses of the servers that run here, by variable name."""
        if not self.folder.exists():
            return {}
        ports = read_ports(self.folder)
        return {
            service.variable: service.address(ports)
            for name, service in self._services.items()
            if self._processes[name].pid() is not None
        }

    def kill(self, name: str) -> None:
        """SIGKILL a server and its family."""
        self._processes[name].kill()

    def abort(self, name: str) -> None:
        """Stop a server by SIGQUIT: PostgreSQL's immediate shutdown, which writes nothing more."""
        self._processes[name].stop(signal.SIGQUIT)

    def pause(self, name: str) -> None:
        """SIGSTOP a server and its family."""
        self._processes[name].pause()

    def resume(self, name: str) -> None:
        """SIGCONT a server and its family."""
        self._processes[name].resume()

    def restart(self, name: str) -> None:
        """Stop a server if it runs; start it on the same port and data; wait for its answer."""
        with only_launcher(self.folder, _say_nothing):
            service, ports = self._services[name], read_ports(self.folder)
            self._processes[name].stop()
            for port in (ports[port_name] for port_name in service.port_names):
                if not is_free(port):
                    raise Misconfigured(f"port {port} of {service.title} is in use by a stranger")
            service.prepare(ports)
            self._launch(service)
            self._await_answer(service)

    def _adopt(self, services: Iterable[Service], progress: Say) -> list[Service]:
        """Return the services to start; those that run but do not answer are stopped."""
        missing = []
        for service in services:
            process = self._processes[service.name]
            if process.pid() is not None and self._answers_soon(service):
                progress(f"{service.title} runs already")
                continue
            process.stop()
            missing.append(service)
        return missing

    def _answers_soon(self, service: Service) -> bool:
        ports = read_ports(self.folder)
        deadline = time.monotonic() + ADOPT_TIMEOUT_S
        while self._processes[service.name].pid() is not None and time.monotonic() < deadline:
            if service.fault(ports) is None:
                return True
            time.sleep(POLL_S)
        return False

    def _choose_ports(self, services: Iterable[Service]) -> None:
        """Keep the ports of earlier starts; choose others where somebody has taken one."""
        ports = read_ports(self.folder)
        for name in (name for service in services for name in service.port_names):
            if name not in ports or not is_free(ports[name]):
                ports[name] = free_port(ports.values())
        write_ports(self.folder, ports)

    def _start_together(self, services: list[Service], progress: Say) -> None:
        """Prepare and await in threads, but start from this one: see `die_with_parent`."""
        began = time.monotonic()
        ports = read_ports(self.folder)
        with ThreadPoolExecutor() as pool:
            try:
                titles = [f"{service.title}{service.hint()}" for service in services]
                progress(f"starting {', '.join(titles)}")
                preparing = {pool.submit(service.prepare, ports): service for service in services}
                waiting = {}
                for prepared in as_completed(preparing):
                    prepared.result()
                    service = preparing[prepared]
                    self._launch(service)
                    waiting[pool.submit(self._await_answer, service)] = service
                for answered in as_completed(waiting):
                    seconds = answered.result() - began
                    progress(f"{waiting[answered].title} was ready after {seconds:.1f} s")
            except BaseException:
                for service in services:
                    self._processes[service.name].stop()
                raise

    def _launch(self, service: Service) -> None:
        launch = service.launch(read_ports(self.folder))
        self._processes[service.name].start(launch, dies_with_parent=self._die_with_parent)

    def _await_answer(self, service: Service) -> float:
        """Wait until the service answers well; return that moment on the monotonic clock."""
        process = self._processes[service.name]
        ports = read_ports(self.folder)
        deadline = time.monotonic() + READY_TIMEOUT_S
        while (fault := service.fault(ports)) is not None:
            if process.pid() is None:
                raise Misconfigured(
                    f"{service.title} stopped while starting; the end of {process.log}:\n"
                    f"{tail(process.log)}"
                )
            if time.monotonic() > deadline:
                raise Misconfigured(
                    f"{service.title} did not answer within {READY_TIMEOUT_S:.0f} s ({fault});"
                    f" the end of {process.log}:\n{tail(process.log)}"
                )
            time.sleep(POLL_S)
        return time.monotonic()

    def _addresses(self) -> Addresses:
        ports = read_ports(self.folder)
        found = {
            name: self._configured.get(service.variable) or service.address(ports)
            for name, service in self._services.items()
        }
        return Addresses(kafka=found["kafka"], postgres=found["postgres"], redis=found["redis"])

    def _status(self, service: Service) -> ServiceStatus:
        if (address := self._configured.get(service.variable)) is not None:
            return ServiceStatus(name=service.name, state="configured", address=address)
        process = self._processes[service.name]
        pid = process.pid()
        if pid is None:
            return ServiceStatus(name=service.name, state="stopped")
        ports = read_ports(self.folder)
        state: State = "paused" if process.is_paused() else "running"
        if state == "running" and service.fault(ports) is not None:
            state = "silent"
        address = service.address(ports)
        return ServiceStatus(
            name=service.name, state=state, address=address, pid=pid, log=process.log
        )


def _check_disk(folder: Path) -> None:
    free_mib = shutil.disk_usage(folder).free // MIB
    if free_mib < DISK_FREE_MIB_MIN:
        raise Misconfigured(
            f"{folder} has {free_mib} MiB free; the local stack needs {DISK_FREE_MIB_MIN} MiB:"
            " make room or choose --folder"
        )


def _all_done(futures: Iterable[Future[None]]) -> None:
    for future in futures:
        future.result()
