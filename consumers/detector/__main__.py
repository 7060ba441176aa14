"""The detector process: `python -m consumers.detector`. Settings in, wiring, run, stop in order."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import structlog
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from consumers.detector.announcements import follow_models
from consumers.detector.batching import Batcher
from consumers.detector.calls import EngineCalls
from consumers.detector.engines.choose import EngineLoader
from consumers.detector.engines.protocol import Loader
from consumers.detector.figures import Figures
from consumers.detector.inference import Inference, Stations
from consumers.detector.lanes import Surroundings
from consumers.detector.models import Models
from consumers.detector.pieces import Piece
from consumers.detector.results import Results
from consumers.detector.settings import DetectorSettings
from consumers.detector.unpacking import Unpacking
from consumers.detector.watchdog import Watchdog
from consumers.detector.worker import Worker, capacity
from wire.clock import Clock, SystemClock
from wire.kafka import Kafka
from wire.process import read_settings, run, wait_or_stop
from wire.slicing import TILES_MAX
from wire.telemetry import configure_logging, serve_metrics

MODELS_WAIT_S = 5.0
"""How long the first frames wait until all models on the topic are known."""
STOP_S = 15.0
log = structlog.stdlib.get_logger("consumers.detector")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pools:
    """Where blocking work is done."""

    decode: ThreadPoolExecutor
    engine: ThreadPoolExecutor
    load: ThreadPoolExecutor


async def detect(
    settings: DetectorSettings, stop: asyncio.Event, *, loader: Loader | None = None
) -> None:
    """Run a detector until `stop` is set; `loader` replaces the engines that settings name."""
    figures, clock, news = Figures(CollectorRegistry()), SystemClock(), asyncio.Event()
    serve_metrics(settings, figures.registry)
    pools = Pools(
        decode=ThreadPoolExecutor(settings.decode_threads, "decode"),
        engine=ThreadPoolExecutor(settings.engine_calls, "engine"),
        load=ThreadPoolExecutor(1, "load"),
    )
    models = Models(
        loader=loader or _loader(settings),
        executor=pools.load,
        clock=clock,
        figures=figures,
        changed=news.set,
    )
    stations = _stations(settings, pools, clock, figures)
    around = Surroundings(
        kafka=Kafka.of(settings),
        topics=settings.topics(),
        group=f"{settings.topic_prefix}detector",
        inference=Inference(
            batcher=_batcher(settings),
            models=models,
            stations=stations,
            clock=clock,
            figures=figures,
            news=news,
        ),
        clock=clock,
        figures=figures,
        room=asyncio.Event(),
    )
    log.info("detector starts", engine=settings.engine, kafka=settings.kafka)
    try:
        await _run(stop, settings, around, models)
    finally:
        await models.stop()
        if stations.results is not None:
            await stations.results.close()
        for pool in (pools.load, pools.engine, pools.decode):
            pool.shutdown(wait=False, cancel_futures=True)
    log.info("detector stopped")


async def _run(
    stop: asyncio.Event, settings: DetectorSettings, around: Surroundings, models: Models
) -> None:
    """Follow the models, infer and consume side by side; the end of one is the end of all."""
    known = asyncio.Event()
    worker = Worker(around, in_flight_max=settings.in_flight_max)
    following = follow_models(
        around.kafka, around.topics.models, models, caught_up=known.set, stop=stop
    )
    tasks = {
        asyncio.create_task(following, name="models"),
        asyncio.create_task(around.inference.run(workers=settings.batches_ahead), name="inference"),
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
    loader = EngineLoader(
        kind=settings.engine,
        threads=settings.engine_threads,
        models_folder=settings.models_folder,
        cache_folder=settings.models_cache,
    )
    loader.check()
    return loader


def _stations(settings: DetectorSettings, pools: Pools, clock: Clock, figures: Figures) -> Stations:
    watchdog = Watchdog(settings.engine_hang_s)
    watchdog.start()
    results = None
    if settings.cache_window_s:
        results = Results(
            Redis.from_url(settings.redis.get_secret_value()),
            window_s=settings.cache_window_s,
            executor=pools.decode,
            clock=clock,
            figures=figures,
        )
    return Stations(
        unpacking=Unpacking(
            pools.decode, threads=settings.decode_threads, clock=clock, figures=figures
        ),
        calls=EngineCalls(executor=pools.engine, watchdog=watchdog, clock=clock, figures=figures),
        results=results,
    )


def _batcher(settings: DetectorSettings) -> Batcher[Piece]:
    frames = capacity(in_flight_max=settings.in_flight_max, partitions=settings.partitions)
    return Batcher(
        size_max=settings.batch_size_max,
        wait_s=settings.batch_wait_ms / 1000,
        capacity=frames * TILES_MAX,
    )


def main() -> None:
    """Run the detector as a process."""
    settings = read_settings(DetectorSettings)
    configure_logging(settings, process="detector")
    run(lambda stop: detect(settings, stop))


if __name__ == "__main__":
    main()
