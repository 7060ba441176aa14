"""Structured logs and Prometheus metrics, set up the same way in every process.

Logs are one JSON object a line when nobody watches, and coloured text on a terminal; they go to
standard error. Metrics are served by a thread of their own; that it answers is the liveness check.
"""

import logging
import sys

import structlog
from prometheus_client import CollectorRegistry, start_http_server

from wire.errors import Misconfigured
from wire.settings import WireSettings

NOISY_LOGGERS = {
    # aiokafka reports each harmless retry while transaction markers are still being written.
    "aiokafka": logging.ERROR,
    "asyncio": logging.WARNING,
    "httpx": logging.WARNING,
    "alembic": logging.WARNING,
}


def configure_logging(settings: WireSettings, *, process: str) -> None:
    """Send structlog and the standard library's loggers to standard error in one form."""
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    as_json = settings.log_format == "json" or (
        settings.log_format == "auto" and not sys.stderr.isatty()
    )
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.StackInfoRenderer(),
    ]
    last: list[structlog.typing.Processor] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
        if as_json
        else [
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(),
                # The other formatters print local variables: passwords and DSNs among them.
                exception_formatter=structlog.dev.plain_traceback,
            )
        ]
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name, least in NOISY_LOGGERS.items():
        logging.getLogger(name).setLevel(max(level, least))
    structlog.contextvars.bind_contextvars(process=process)


def serve_metrics(settings: WireSettings, registry: CollectorRegistry) -> None:
    """Answer every GET with the metrics, from a daemon thread; do nothing when the port is 0."""
    if not settings.metrics_port:
        return
    try:
        start_http_server(settings.metrics_port, settings.metrics_host, registry)
    except OSError as error:
        raise Misconfigured(
            f"cannot listen on FRAMEMETER_METRICS_HOST {settings.metrics_host}, port"
            f" FRAMEMETER_METRICS_PORT {settings.metrics_port}: {error}"
        ) from error
