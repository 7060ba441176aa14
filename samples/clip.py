"""The coded pictures of an H.264 file, ready to be sent again and again.

Nothing is decoded: the access units are those of the file. Times are seconds from the first
picture; decode times pace the sending, presentation times become timestamps.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import av.bitstream

_START_CODE = re.compile(b"\x00\x00\x00\x01|\x00\x00\x01")
_SPS, _PPS = 7, 8


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessUnit:
    """One coded picture: its NAL units without start codes."""

    nals: tuple[bytes, ...]
    key: bool
    decode_s: float
    present_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """A whole file. `duration_s` includes the last picture, so that a loop keeps its step."""

    units: tuple[AccessUnit, ...]
    duration_s: float
    fps: float
    sps: bytes
    pps: bytes

    def endless(self, offset_s: float) -> Iterator[AccessUnit]:
        """Yield units for ever, from the last key picture at or before offset_s, looped.

        Times start at about 0 with the first unit and grow through every loop.
        """
        first = self._key_before(offset_s % self.duration_s)
        shift_s = -self.units[first].decode_s
        units = self.units[first:]
        while True:
            for unit in units:
                yield AccessUnit(
                    nals=unit.nals,
                    key=unit.key,
                    decode_s=unit.decode_s + shift_s,
                    present_s=unit.present_s + shift_s,
                )
            shift_s += self.duration_s
            units = self.units

    def _key_before(self, offset_s: float) -> int:
        keys = [i for i, unit in enumerate(self.units) if unit.key and unit.decode_s <= offset_s]
        return keys[-1] if keys else 0


def load_clip(path: Path) -> Clip:
    """Read an H.264 file into memory; ValueError says what is wrong with another one."""
    with av.open(path) as container:
        if not container.streams.video or container.streams.video[0].codec.name != "h264":
            raise ValueError(f"{path} has no H.264 video; code it with libx264 first")
        stream = container.streams.video[0]
        fps = float(stream.average_rate or 25)
        units = tuple(_units(container, stream))
    if not units or not units[0].key:
        raise ValueError(f"{path} does not begin with a key picture; code it anew")
    return Clip(
        units=units,
        duration_s=units[-1].decode_s + 1 / fps,
        fps=fps,
        sps=_parameter_set(units[0], _SPS),
        pps=_parameter_set(units[0], _PPS),
    )


def _units(container: av.container.InputContainer, stream: av.VideoStream) -> Iterator[AccessUnit]:
    annex_b = av.bitstream.BitStreamFilterContext("h264_mp4toannexb", stream)
    origin = None
    for packet in container.demux(stream):
        if packet.dts is None or packet.pts is None:
            continue  # the empty packet at the end
        origin = packet.dts if origin is None else origin
        decode_s = float((packet.dts - origin) * packet.time_base)
        present_s = float((packet.pts - origin) * packet.time_base)
        key = packet.is_keyframe
        for filtered in annex_b.filter(packet):
            nals = tuple(nal for nal in _START_CODE.split(bytes(filtered)) if nal)
            yield AccessUnit(nals=nals, key=key, decode_s=decode_s, present_s=present_s)


def _parameter_set(unit: AccessUnit, kind: int) -> bytes:
    return next(nal for nal in unit.nals if nal[0] & 31 == kind)
