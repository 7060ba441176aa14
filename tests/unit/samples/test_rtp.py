"""H.264 in RTP packets: fragments, markers, limits."""

import struct

from hypothesis import given
from hypothesis import strategies as st

from samples.rtp import PAYLOAD_SIZE_MAX, Packetizer, fragments

NALS = st.binary(min_size=2, max_size=5 * PAYLOAD_SIZE_MAX)


@given(nal=NALS)
def test_fragments_put_together_are_the_unit_again(nal: bytes) -> None:
    payloads = list(fragments(nal))
    assert all(len(payload) <= PAYLOAD_SIZE_MAX for payload in payloads)
    if len(payloads) == 1:
        assert payloads == [nal]
        return
    header = bytes([(payloads[0][0] & 0xE0) | (payloads[0][1] & 0x1F)])
    assert header + b"".join(payload[2:] for payload in payloads) == nal
    assert [payload[1] & 0x80 for payload in payloads] == [0x80] + [0] * (len(payloads) - 1)
    assert [payload[1] & 0x40 for payload in payloads] == [0] * (len(payloads) - 1) + [0x40]


@given(nals=st.lists(NALS, min_size=1, max_size=4))
def test_only_the_last_packet_of_a_picture_has_the_marker(nals: list[bytes]) -> None:
    packetizer = Packetizer(channel=2, source=9, sequence=0xFFFF, timestamp=1)
    packets = _packets(packetizer.interleaved(tuple(nals), present_s=2.0))
    assert [marker for marker, _, _ in packets] == [False] * (len(packets) - 1) + [True]
    assert {timestamp for _, _, timestamp in packets} == {180_001}
    expected = [(0xFFFF + index) & 0xFFFF for index in range(len(packets))]
    assert [sequence for _, sequence, _ in packets] == expected


def _packets(data: bytes) -> list[tuple[bool, int, int]]:
    found = []
    while data:
        dollar, channel, length = struct.unpack(">cBH", data[:4])
        assert (dollar, channel) == (b"$", 2)
        _, kind, sequence, timestamp, source = struct.unpack(">BBHII", data[4:16])
        assert source == 9
        found.append((bool(kind & 0x80), sequence, timestamp))
        data = data[4 + length :]
    return found
