"""RTP packets for H.264 (RFC 6184, packetization mode 1), interleaved into TCP (RFC 2326, 10.12).

Small NAL units travel alone, large ones in FU-A fragments; the last packet of a picture carries
the marker.
"""

import struct
from collections.abc import Iterator

PAYLOAD_TYPE = 96
CLOCK_HZ = 90_000
PAYLOAD_SIZE_MAX = 1_400

_VERSION = 0x80
_MARKER = 0x80
_FU_A = 28
_START, _END = 0x80, 0x40


class Packetizer:
    """Numbers and stamps the packets of one stream."""

    def __init__(self, *, channel: int, source: int, sequence: int, timestamp: int) -> None:
        """Start a stream on an interleaved channel.

        Source, first sequence and first timestamp are random; the timestamp is never 0, which
        FFmpeg takes for "not known yet".
        """
        self._channel = channel
        self._timestamp = timestamp
        self._source = source
        self._sequence = sequence

    def interleaved(self, nals: tuple[bytes, ...], present_s: float) -> bytes:
        """Return all packets of one picture, framed for the RTSP connection."""
        timestamp = (self._timestamp + round(present_s * CLOCK_HZ)) & 0xFFFFFFFF
        payloads = [payload for nal in nals for payload in fragments(nal)]
        last = len(payloads) - 1
        return b"".join(
            self._framed(payload, timestamp, _MARKER if index == last else 0)
            for index, payload in enumerate(payloads)
        )

    def _framed(self, payload: bytes, timestamp: int, marker: int) -> bytes:
        kind = PAYLOAD_TYPE | marker
        header = struct.pack(">BBHII", _VERSION, kind, self._sequence, timestamp, self._source)
        self._sequence = (self._sequence + 1) & 0xFFFF
        return struct.pack(">cBH", b"$", self._channel, len(header) + len(payload)) + (
            header + payload
        )


def fragments(nal: bytes) -> Iterator[bytes]:
    """Yield the payloads that carry one NAL unit."""
    if len(nal) <= PAYLOAD_SIZE_MAX:
        yield nal
        return
    indicator, kind = (nal[0] & 0xE0) | _FU_A, nal[0] & 0x1F
    step = PAYLOAD_SIZE_MAX - 2
    for begin in range(1, len(nal), step):
        flags = (_START if begin == 1 else 0) | (_END if begin + step >= len(nal) else 0)
        yield bytes((indicator, kind | flags)) + nal[begin : begin + step]
