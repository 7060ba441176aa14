"""JPEGs unpacked where they are needed: on the GPU by nvJPEG, through torchvision.

As strict as `consumers.detector.decode`, by the headers and by the end of the file, before the
decoder sees a picture: one of another size, in CMYK or cut short is a fault, not a grey picture.
Damage inside the compressed data is a fault where the decoder notices it.
"""

from collections.abc import Callable, Sequence
from typing import Any

import simplejpeg
import torch
from torchvision.io import ImageReadMode, decode_jpeg

from consumers.detector.decode import COLOR_SPACES
from consumers.detector.engines.protocol import Unpacked

Tensor = Any
DecodeAll = Callable[[list[Tensor]], list[Tensor]]
"""From packed bytes [L] to pictures [3, height, width], all of them or `RuntimeError`."""

START_OF_SCAN = 0xDA
END_OF_IMAGE = b"\xff\xd9"
STANDALONE = frozenset({0x01, 0xD8, *range(0xD0, 0xD8)})
"""Markers without a length behind them."""


class TorchDecoder:
    """Unpacks JPEGs into [N, 3, height, width] RGB bytes on a device. Safe for threads."""

    def __init__(self, device: Any, *, decode_all: DecodeAll | None = None) -> None:
        """Decode on `device`, a `torch.device`."""
        self._device = device
        self._decode_all = decode_all or self._by_torchvision

    def decode(self, packed: Sequence[bytes], height: int, width: int) -> Unpacked:
        """Return the pictures that are whole, and what is wrong with the others."""
        faults = [fault_of(jpeg, height, width) for jpeg in packed]
        good = [index for index, fault in enumerate(faults) if fault is None]
        pictures = self._unpack([packed[index] for index in good], height, width)
        for index, picture in zip(good, pictures, strict=True):
            if isinstance(picture, str):
                faults[index] = picture
        whole = [picture for picture in pictures if not isinstance(picture, str)]
        return Unpacked(pictures=self._stack(whole, height, width), faults=tuple(faults))

    def _unpack(self, packed: list[bytes], height: int, width: int) -> list[Tensor | str]:
        """Return each picture, or what is wrong with it: together, else one by one."""
        if not packed:
            return []
        tensors = [torch.frombuffer(bytearray(jpeg), dtype=torch.uint8) for jpeg in packed]
        try:
            return [_of_size(picture, height, width) for picture in self._decode_all(tensors)]
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            if len(packed) == 1:
                return [f"the picture is not a whole JPEG: {error}"]
        return [self._unpack([jpeg], height, width)[0] for jpeg in packed]

    def _stack(self, pictures: list[Tensor], height: int, width: int) -> Tensor:
        if not pictures:
            return torch.empty((0, 3, height, width), dtype=torch.uint8, device=self._device)
        stacked = torch.stack(pictures)
        if self._device.type == "cuda":
            # Another thread's stream takes them from here: they must be there by then.
            torch.cuda.current_stream(self._device).synchronize()
        return stacked

    def _by_torchvision(self, packed: list[Tensor]) -> list[Tensor]:
        pictures: list[Tensor] = decode_jpeg(packed, mode=ImageReadMode.RGB, device=self._device)
        return pictures


def fault_of(jpeg: bytes, height: int, width: int) -> str | None:
    """Return what is wrong with a JPEG of this promised size, as far as can be told undecoded."""
    try:
        found_height, found_width, color_space, _ = simplejpeg.decode_jpeg_header(jpeg)
    except (ValueError, RuntimeError) as error:
        return f"the picture is not a whole JPEG: {error}"
    if (found_height, found_width) != (height, width):
        return f"the picture is {found_height}x{found_width}, its headers say {height}x{width}"
    if color_space not in COLOR_SPACES:
        return f"pictures in {color_space} are not taken: send YCbCr or grey"
    if not has_end(jpeg):
        return "the picture is not a whole JPEG: it is cut short"
    return None


def has_end(jpeg: bytes) -> bool:
    """Say whether the end-of-image marker follows the pixels.

    One in a segment before them, such as a thumbnail's, does not count.
    """
    at = 2
    while at + 4 <= len(jpeg) and jpeg[at] == 0xFF:
        marker = jpeg[at + 1]
        if marker == START_OF_SCAN:
            return END_OF_IMAGE in jpeg[at:]
        if marker == 0xFF or marker in STANDALONE:
            at += 1 if marker == 0xFF else 2
            continue
        at += 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
    return False


def _of_size(picture: Tensor, height: int, width: int) -> Tensor | str:
    if tuple(picture.shape) == (3, height, width):
        return picture
    return f"the picture decodes to {list(picture.shape)}, not [3, {height}, {width}]"
