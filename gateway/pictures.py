"""An uploaded or fetched image becomes pixels, or is refused for a stated reason.

JPEG, PNG and WebP; which one is seen from the bytes, never from a name or a header. The size is
read from the image's own header before anything is decoded, so that a decompression bomb is
refused unopened. An EXIF rotation is not applied: boxes are in the pixels as they are stored.
"""

import struct

import cv2
import numpy as np
import simplejpeg

from pipeline.encode import Picture
from wire.errors import Rejected
from wire.frames import SOURCE_SIDE_MAX

PNG_START = b"\x89PNG\r\n\x1a\n"
JPEG_START = b"\xff\xd8\xff"
READ_FLAGS = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
SIMPLE_COLORSPACES = ("Gray", "YCbCr", "RGB")


def decode_image(content: bytes, *, pixels_max: int) -> Picture:
    """Return the image as height x width x 3, BGR; raise `Rejected` with what is wrong."""
    height, width = image_size(content)
    if not (0 < height <= SOURCE_SIDE_MAX and 0 < width <= SOURCE_SIDE_MAX):
        raise Rejected(f"an image of {height}x{width} pixels cannot be used")
    if height * width > pixels_max:
        raise Rejected(
            f"the image has {height}x{width} pixels, more than the {pixels_max} allowed here"
        )
    picture = _decode_jpeg(content) if content.startswith(JPEG_START) else _decode_other(content)
    if picture.shape != (height, width, 3):
        raise Rejected("the image's header and its pixels contradict each other")
    return picture


def image_size(content: bytes) -> tuple[int, int]:
    """Return (height, width) from the image's header; raise `Rejected` when it is not one."""
    try:
        if content.startswith(JPEG_START):
            height, width, *_ = simplejpeg.decode_jpeg_header(content)
            return int(height), int(width)
        if content.startswith(PNG_START) and content[12:16] == b"IHDR":
            width, height = struct.unpack(">II", content[16:24])
            return height, width
        if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
            return _webp_size(content)
    except (ValueError, struct.error, IndexError) as error:
        raise Rejected(f"the image's header cannot be read: {error}") from error
    raise Rejected("the image is neither JPEG, PNG nor WebP")


def _webp_size(content: bytes) -> tuple[int, int]:
    """Source: https://developers.google.com/speed/webp/docs/riff_container"""
    kind = content[12:16]
    if kind == b"VP8X":
        width = int.from_bytes(content[24:27], "little") + 1
        height = int.from_bytes(content[27:30], "little") + 1
        return height, width
    if kind == b"VP8L" and content[20] == 0x2F:
        (bits,) = struct.unpack("<I", content[21:25])
        return (bits >> 14 & 0x3FFF) + 1, (bits & 0x3FFF) + 1
    if kind == b"VP8 " and content[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack("<HH", content[26:30])
        return height & 0x3FFF, width & 0x3FFF
    raise Rejected("the image is not a WebP that can be read")


def _decode_jpeg(content: bytes) -> Picture:
    try:
        *_, colorspace, _ = simplejpeg.decode_jpeg_header(content)
        if colorspace in SIMPLE_COLORSPACES:
            picture: Picture = simplejpeg.decode_jpeg(content, colorspace="BGR")
            return picture
    except ValueError as error:
        raise Rejected(f"the JPEG is broken: {error}") from error
    return _decode_other(content)


def _decode_other(content: bytes) -> Picture:
    try:
        picture = cv2.imdecode(np.frombuffer(content, np.uint8), READ_FLAGS)
    except cv2.error as error:
        raise Rejected(f"the image cannot be decoded: {error.err}") from error
    if picture is None:
        raise Rejected("the image cannot be decoded; it is broken or cut short")
    return picture.astype(np.uint8, copy=False)
