"""The detector process: `python -m consumers.detector`. Settings in, wiring, run, stop in order."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import structlog
from prometheus_client import CollectorRegistry

from consumers.detector.announcements import follow_models
from consumers.detector.batching import Batcher
from consumers.detector.engines.choose import EngineLoader
from consumers.detector.figures import Figures
from consumers.detector.inference import Inference, Threads, Work
from consumers.detector.lanes import Surroundings
from consumers.detector.models import Models
from consumers.detector.settings import DetectorSettings
from consumers.detector.worker import Worker, capacity
from wire.clock import SystemClock
from wire.kafka import Kafka
from wire.process import read_settings, run, wait_or_stop
from wire.telemetry import configure_logging, serve_metrics

MODELS_WAIT_S = 5.0
"""How long the first frames wait until all models on the topic are known."""
STOP_S = 15.0
log = structlog.stdlib.get_logger("consumers.detector")


async def detect(settings: DetectorSettings, stop: asyncio.Event) -> None:
    """Run a detector until `stop` is set."""
    figures, clock = Figures(CollectorRegistry()), SystemClock()
    loader = _loader(settings)
    loader.check()
    serve_metrics(settings, figures.registry)
    threads = Threads(
        decode=ThreadPoolExecutor(settings.decode_threads, "decode"),
        engine=ThreadPoolExecutor(settings.batches_ahead, "engine"),
    )
    loading = ThreadPoolExecutor(1, "load")
    inference = Inference(batcher=_batcher(settings), threads=threads, clock=clock, figures=figures)
    models = Models(
        loader=loader, executor=loading, clock=clock, figures=figures, changed=inference.wake
    )
    around = Surroundings(
        kafka=Kafka.of(settings),
        topics=settings.topics(),
        group=f"{settings.topic_prefix}detector",
        inference=inference,
        clock=clock,
        figures=figures,
        room=asyncio.Event(),
    )
    worker = Worker(around, in_flight_max=settings.in_flight_max)
    log.info("detector starts", engine=settings.engine, kafka=settings.kafka)
    try:
        await _run(stop, settings, around, models, worker)
    finally:
        await models.stop()
        for pool in (loading, threads.engine, threads.decode):
            pool.shutdown(wait=False, cancel_futures=True)
    log.info("detector stopped")


async def _run(
    stop: asyncio.Event,
    settings: DetectorSettings,
    around: Surroundings,
    models: Models,
    worker: Worker,
) -> None:
    """Follow the models, infer and consume side by side; the end of one is the end of all."""
    known = asyncio.Event()
    following = follow_models(
        around.kafka, around.topics.models, models, caught_up=known.set, stop=stop
    )
    tasks = {
        asyncio.create_task(following, name="models"),
        asyncio.create_task(
            around.inference.run(models, workers=settings.batches_ahead), name="inference"
        ),
        asyncio.create_task(_consume(worker, known, stop), name="consume"),
    }
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if stop.is_set():  # the consumer's orderly end is the one to wait for
            done, _ = await asyncio.wait(
                {task for task in tasks if task.get_name() == "consume"}, timeout=STOP_S
            )
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=STOP_S)


async def _consume(worker: Worker, known: asyncio.Event, stop: asyncio.Event) -> None:
    """Consume once the models are known, or after a bounded wait for them."""
    for _ in range(int(MODELS_WAIT_S / 0.1)):
        if known.is_set() or await wait_or_stop(stop, 0.1):
            break
    await worker.run(stop)


def _loader(settings: DetectorSettings) -> EngineLoader:
    return EngineLoader(
        kind=settings.engine,
        threads=settings.engine_threads,
        models_folder=settings.models_folder,
        cache_folder=settings.models_cache,
    )


def _batcher(settings: DetectorSettings) -> Batcher[Work]:
    return Batcher(
        size_max=settings.batch_size_max,
        wait_s=settings.batch_wait_ms / 1000,
        capacity=capacity(in_flight_max=settings.in_flight_max, partitions=settings.partitions),
    )


def main() -> None:
    """Run the detector as a process."""
    settings = read_settings(DetectorSettings)
    configure_logging(settings, process="detector")
    run(lambda stop: detect(settings, stop))


if __name__ == "__main__":
    main()
