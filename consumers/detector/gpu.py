"""How much of a GPU is used, as metrics: only where torch is in use and has a device.

Promises that asking never loads torch nor fails a scrape: what a device does not tell is left out.
"""

import sys
from collections.abc import Iterable, Iterator
from types import ModuleType

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

MEMORY = "framemeter_detector_gpu_memory_bytes"
USE = "framemeter_detector_gpu_use_ratio"


class GpuCollector(Collector):
    """Reads the devices at each scrape."""

    def describe(self) -> Iterable[Metric]:
        """Name the metrics without touching a device."""
        return _families()

    def collect(self) -> Iterator[Metric]:
        """Return what the devices say now."""
        torch = sys.modules.get("torch")
        try:
            if torch is None or not torch.cuda.is_available():
                return
        except AttributeError:
            return  # another thread is importing it
        memory, use = _families()
        for index in range(torch.cuda.device_count()):
            _measure(torch, index, memory, use)
        yield memory
        yield use


def _families() -> tuple[GaugeMetricFamily, GaugeMetricFamily]:
    return (
        GaugeMetricFamily(MEMORY, "Memory of the GPU, by use", labels=["device", "kind"]),
        GaugeMetricFamily(USE, "Share of the last moments in which it computed", labels=["device"]),
    )


def _measure(
    torch: ModuleType, index: int, memory: GaugeMetricFamily, use: GaugeMetricFamily
) -> None:
    device = str(index)
    free, total = torch.cuda.mem_get_info(index)
    memory.add_metric([device, "total"], total)
    memory.add_metric([device, "free"], free)
    memory.add_metric([device, "allocated"], torch.cuda.memory_allocated(index))
    try:
        use.add_metric([device], torch.cuda.utilization(index) / 100)
    except (ImportError, RuntimeError):
        return  # NVML is not there: the device does not tell
