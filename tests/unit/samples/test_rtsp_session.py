"""The RTSP conversation, request by request."""

import pytest

from samples.clip import AccessUnit, Clip
from samples.rtsp_session import Request, Session, describe, parse_request

SPS, PPS = b"\x67\x64\x00\x1e", b"\x68\xee"
CLIP = Clip(
    units=(AccessUnit(nals=(SPS, PPS, b"\x65"), key=True, decode_s=0, present_s=0),),
    duration_s=0.1,
    fps=10,
    sps=SPS,
    pps=PPS,
)
TCP = {"transport": "RTP/AVP/TCP;unicast;interleaved=4-5"}


@pytest.fixture
def session() -> Session:
    return Session(clips={"gate": CLIP}, session_id="abc")


def test_a_reader_gets_from_options_to_play(session: Session) -> None:
    assert session.answer(_request("OPTIONS", "gate")).status == 200
    assert "sprop-parameter-sets=Z2QAHg==,aO4=" in session.answer(_request("DESCRIBE", "gate")).body
    setup = session.answer(_request("SETUP", "gate/track0", TCP))
    assert dict(setup.headers)["Transport"].endswith("interleaved=4-5")
    assert session.answer(_request("PLAY", "gate")).play
    assert session.channel == 4
    assert session.answer(_request("TEARDOWN", "gate")).end


@pytest.mark.parametrize("method", ["DESCRIBE", "SETUP"])
def test_an_unknown_path_is_not_found(session: Session, method: str) -> None:
    assert session.answer(_request(method, "nowhere", TCP)).status == 404


def test_udp_is_refused(session: Session) -> None:
    udp = {"transport": "RTP/AVP;unicast;client_port=5000-5001"}
    assert session.answer(_request("SETUP", "gate/track0", udp)).status == 461


def test_play_before_setup_and_play_twice_are_out_of_order(session: Session) -> None:
    assert session.answer(_request("PLAY", "gate")).status == 455
    session.answer(_request("SETUP", "gate/track0", TCP))
    session.answer(_request("PLAY", "gate"))
    assert session.answer(_request("PLAY", "gate")).status == 455


def test_an_unknown_method_is_not_implemented(session: Session) -> None:
    assert session.answer(_request("RECORD", "gate")).status == 501


def test_an_answer_repeats_the_sequence_and_gives_the_length_of_its_body(session: Session) -> None:
    head, _, body = (
        session.answer(_request("DESCRIBE", "gate")).encode("7").decode().partition("\r\n\r\n")
    )
    assert head.startswith("RTSP/1.0 200 OK\r\nCSeq: 7\r\n")
    assert f"Content-Length: {len(body)}" in head
    assert body == describe(CLIP)


def test_headers_are_read_whatever_their_case() -> None:
    request = parse_request(
        b"OPTIONS rtsp://host/gate RTSP/1.0\r\ncseq: 3\r\nCONTENT-length: 12\r\n"
    )
    assert request is not None
    assert (request.mount, request.headers["cseq"], request.body_size) == ("gate", "3", 12)


@pytest.mark.parametrize("head", [b"", b"\x16\x03\x01", b"GET / HTTP/1.1\r\n", b"PLAY\r\n"])
def test_what_is_not_rtsp_is_no_request(head: bytes) -> None:
    assert parse_request(head) is None


def _request(method: str, path: str, headers: dict[str, str] | None = None) -> Request:
    return Request(method=method, url=f"rtsp://host:554/{path}", headers=headers or {})
