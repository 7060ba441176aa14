"""Reads Prometheus metrics of the demo's own processes over loopback."""

from collections import defaultdict
from collections.abc import Iterable

import httpx
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

TIMEOUT_S = 1.0


class Metrics:
    """The samples of one scrape."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._samples: dict[str, list[tuple[dict[str, str], float]]] = defaultdict(list)
        for family in families:
            for sample in family.samples:
                self._samples[sample.name].append((sample.labels, sample.value))

    def total(self, name: str) -> float:
        """Return the sum of a metric over all its labels."""
        return sum(value for _, value in self._samples[name])

    def labels(self, name: str) -> dict[str, str]:
        """Return the labels of the metric's first sample, or none."""
        samples = self._samples[name]
        return samples[0][0] if samples else {}


async def scrape(client: httpx.AsyncClient, port: int) -> Metrics:
    """Return a process's metrics; none when it does not answer in time."""
    try:
        answer = await client.get(f"http://127.0.0.1:{port}/metrics", timeout=TIMEOUT_S)
        answer.raise_for_status()
    except httpx.HTTPError:
        return Metrics(())
    return Metrics(text_string_to_metric_families(answer.text))
