"""The producer process: cameras in, funded frames out (`python -m pipeline`)."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import cv2
import structlog
from prometheus_client import CollectorRegistry

from pipeline.camera import Studio
from pipeline.fleet import Fleet
from pipeline.line import Contract, Line
from pipeline.metrics import ProducerMetrics
from pipeline.publish import FramePublisher
from pipeline.sessions_http import HttpSessions
from pipeline.settings import PipelineSettings
from wire.clock import Clock, SystemClock
from wire.cores import usable_cores
from wire.errors import Misconfigured
from wire.kafka import Kafka
from wire.process import read_settings, run
from wire.telemetry import configure_logging, serve_metrics

log = structlog.stdlib.get_logger("pipeline")


async def produce(settings: PipelineSettings, stop: asyncio.Event) -> None:
    """Run one producer until `stop` is set; end in the order cameras, sessions, producer."""
    cv2.setNumThreads(1)  # the encoders are as many as the cores: a picture is for one of them
    key = settings.key.get_secret_value()
    if not key:
        raise Misconfigured("FRAMEMETER_KEY is not set: give it an API key of the scope `sessions`")
    clock = SystemClock()
    kafka, topics = Kafka.of(settings), settings.topics()
    registry = CollectorRegistry()
    sessions = HttpSessions(settings.gateway, key)
    publisher = FramePublisher(kafka, topics)
    serve_metrics(settings, registry)
    with ThreadPoolExecutor(settings.encoders or usable_cores(), "encoder") as encoders:
        studio = Studio(clock=clock, encoders=encoders, metrics=ProducerMetrics(registry))
        fleet = Fleet(kafka, topics, studio, partial(_line, sessions, publisher, clock))
        try:
            log.info("producer started", kafka=settings.kafka, gateway=settings.gateway)
            await fleet.run(stop)
        finally:
            await publisher.stop()
            await sessions.aclose()
    log.info("producer stopped")


def _line(
    sessions: HttpSessions, publisher: FramePublisher, clock: Clock, contract: Contract
) -> Line:
    return Line(contract=contract, sessions=sessions, publisher=publisher, clock=clock)


def main() -> None:
    """Read the settings and run until SIGTERM or SIGINT."""
    settings = read_settings(PipelineSettings)
    configure_logging(settings, process="producer")
    run(partial(produce, settings))


if __name__ == "__main__":
    main()
