"""JPEGs for the device are as strictly judged as those that the CPU unpacks."""

from typing import Any

import numpy as np
import pytest
import simplejpeg
import torch

from consumers.detector.engines.torch_decode import TorchDecoder, fault_of, has_end

pytestmark = pytest.mark.filterwarnings("ignore:.*TorchVision:DeprecationWarning")
HEIGHT, WIDTH = 64, 96
CPU = torch.device("cpu")


def picture(seed: int = 0, height: int = HEIGHT, width: int = WIDTH) -> Any:
    rows = np.linspace(0, 200, height)[:, None, None]
    return (rows + np.arange(width)[None, :, None] % 40 + [seed, 10, 20]).astype(np.uint8)


def jpeg(seed: int = 0, **size: int) -> bytes:
    packed: bytes = simplejpeg.encode_jpeg(picture(seed, **size), quality=95, colorspace="BGR")
    return packed


def test_whole_pictures_come_as_rgb_in_their_order() -> None:
    unpacked = TorchDecoder(CPU).decode([jpeg(0), jpeg(30)], HEIGHT, WIDTH)
    assert unpacked.faults == (None, None)
    assert unpacked.pictures.shape == (2, 3, HEIGHT, WIDTH)
    for index, seed in enumerate((0, 30)):
        bgr = unpacked.pictures[index].flip(0).permute(1, 2, 0).numpy()
        assert np.abs(bgr.astype(int) - picture(seed).astype(int)).mean() < 3


def test_each_bad_picture_is_told_and_costs_no_other() -> None:
    grey = simplejpeg.encode_jpeg(picture()[..., :1].copy(), colorspace="GRAY")
    packed = [jpeg(), jpeg()[:-200], b"not a picture", b"", jpeg(height=32), grey]
    unpacked = TorchDecoder(CPU).decode(packed, HEIGHT, WIDTH)
    assert unpacked.pictures.shape == (2, 3, HEIGHT, WIDTH)
    assert unpacked.faults[0] is None
    assert "cut short" in str(unpacked.faults[1])
    assert "not a whole JPEG" in str(unpacked.faults[2])
    assert "not a whole JPEG" in str(unpacked.faults[3])
    assert unpacked.faults[4] == "the picture is 32x96, its headers say 64x96"
    assert unpacked.faults[5] is None


def test_a_picture_in_cmyk_is_a_fault() -> None:
    from io import BytesIO

    from PIL import Image

    file = BytesIO()
    Image.new("CMYK", (WIDTH, HEIGHT)).save(file, "JPEG")
    assert "send YCbCr or grey" in str(fault_of(file.getvalue(), HEIGHT, WIDTH))


def test_when_a_batch_fails_its_pictures_are_unpacked_one_by_one() -> None:
    """nvJPEG gives back nothing of a batch when it stumbles over one of its pictures."""
    sizes: list[int] = []

    def stumbling(packed: list[Any]) -> list[Any]:
        sizes.append(len(packed))
        if any(len(tensor) == len(bad) for tensor in packed):
            raise RuntimeError("bad Huffman code")
        return [torch.zeros((3, HEIGHT, WIDTH), dtype=torch.uint8) for _ in packed]

    bad = jpeg(7) + b"\0"
    decoder = TorchDecoder(CPU, decode_all=stumbling)
    unpacked = decoder.decode([jpeg(), bad, jpeg(3)], HEIGHT, WIDTH)
    assert sizes == [3, 1, 1, 1]
    assert unpacked.faults == (None, "the picture is not a whole JPEG: bad Huffman code", None)
    assert len(unpacked.pictures) == 2


def test_running_out_of_memory_is_no_fault_of_the_pictures() -> None:
    def full(packed: list[Any]) -> list[Any]:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        TorchDecoder(CPU, decode_all=full).decode([jpeg()], HEIGHT, WIDTH)


def test_a_decoder_that_gives_another_size_is_not_believed() -> None:
    decoder = TorchDecoder(CPU, decode_all=lambda packed: [torch.zeros((1, HEIGHT, WIDTH))])
    unpacked = decoder.decode([jpeg()], HEIGHT, WIDTH)
    assert "decodes to [1, 64, 96]" in str(unpacked.faults[0])
    assert unpacked.pictures.shape == (0, 3, HEIGHT, WIDTH)


def test_the_end_of_a_thumbnail_is_not_the_end_of_its_picture() -> None:
    whole = jpeg()
    thumbnail = b"\xff\xe1" + (2 + 40).to_bytes(2, "big") + b"\0" * 18 + b"\xff\xd9" + b"\0" * 20
    with_thumbnail = whole[:2] + thumbnail + whole[2:]
    assert has_end(with_thumbnail)
    assert not has_end(with_thumbnail[:-100])
    assert has_end(whole + b"\0\0")
