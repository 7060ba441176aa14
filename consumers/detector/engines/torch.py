"""Torch with Ultralytics' models: fp16 on CUDA; on a CPU bf16 where it has that, else fp32."""

import torch

from consumers.detector.engines.protocol import Thresholds
from consumers.detector.engines.torch_engine import NetworkEngine
from consumers.detector.engines.torch_network import load_network


class TorchEngine(NetworkEngine):
    """A checkpoint, a `.pt` file or a name that Ultralytics knows and then downloads."""

    def __init__(
        self,
        source: str,
        thresholds: Thresholds,
        *,
        threads: int,
        device: str | None = None,
        padded: bool | None = None,
    ) -> None:
        """Load the weights onto `device`, CUDA when there is one.

        `threads` (of a CPU) 0 takes all cores. `padded` batches run in rooms; on CUDA they do.
        """
        chosen = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        cuda = chosen.type == "cuda"
        if threads and not cuda:
            torch.set_num_threads(threads)
        if cuda:
            torch.backends.cudnn.benchmark = True
        network = load_network(source, device=chosen)
        super().__init__(
            network, thresholds, kind="torch", padded=cuda if padded is None else padded
        )
