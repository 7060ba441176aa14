"""The demo's result: what was seen, what was charged, what the audit says, as JSON and as tables.

Counts and amounts come from the ledger; latencies and objects from reading `detections`.
"""

from dataclasses import asdict, dataclass
from typing import Any

from billing.audit import AuditReport
from billing.reports import StreamBill
from cli.demo.scrape import Metrics
from cli.demo.tally import StreamTally, Tally
from wire.balances import Balance, format_tokens
from wire.usage import Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Everything that the result is made of."""

    seconds: float
    sources: dict[str, str]
    tally: Tally
    bills: list[StreamBill]
    balance: Balance
    topped_up: int
    detector: Metrics
    audit: AuditReport


def as_json(outcome: Outcome) -> dict[str, Any]:
    """Return the result in its published form; tokens are strings with three decimals."""
    return {
        "seconds": round(outcome.seconds, 1),
        "streams": [
            _stream(bill, outcome.sources[bill.stream], outcome.tally.streams[bill.stream])
            for bill in outcome.bills
        ],
        "account": {
            "account": outcome.balance.account,
            "topped_up": format_tokens(outcome.topped_up),
            "charged": format_tokens(sum(bill.charged_millitokens for bill in outcome.bills)),
            "available": format_tokens(outcome.balance.available),
            "held": format_tokens(outcome.balance.held),
            "receivable": format_tokens(outcome.balance.receivable),
        },
        "detector": detector_figures(outcome.detector),
        "audit": {
            "ok": outcome.audit.ok,
            "checks": [asdict(check) for check in outcome.audit.checks],
        },
    }


def _stream(bill: StreamBill, source: str, tally: StreamTally) -> dict[str, Any]:
    p50, p95, p99 = tally.latency_ms(0.50, 0.95, 0.99)
    return {
        "stream": bill.stream,
        "source": source,
        "captured": bill.captured,
        "published": bill.published,
        "still": bill.still,
        **{status.value: bill.frames.get(status, 0) for status in Status},
        "objects": tally.objects,
        "tokens": format_tokens(bill.charged_millitokens),
        "latency_ms": {"p50": _rounded(p50), "p95": _rounded(p95), "p99": _rounded(p99)},
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def detector_figures(metrics: Metrics) -> dict[str, Any]:
    """Return the detector's engine, model, speed while it infers, and mean batch."""
    images = metrics.total("framemeter_detector_images_total")
    seconds = metrics.total("framemeter_detector_engine_seconds_total")
    batches = metrics.total("framemeter_detector_batches_total")
    info = metrics.labels("framemeter_detector_engine_info")
    return {
        "engine": info.get("engine", ""),
        "model": info.get("model", ""),
        "images_per_second": round(images / seconds, 1) if seconds else 0.0,
        "batch_mean": round(images / batches, 2) if batches else 0.0,
    }
