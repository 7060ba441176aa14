"""What is shipped, and what the cards say of it."""

import json
from pathlib import Path

import av

from samples.catalog import FOOTAGE, PARK_MODEL
from samples.export import describe


def test_everything_that_the_catalog_names_is_shipped() -> None:
    shipped = (PARK_MODEL.weights, PARK_MODEL.openvino, PARK_MODEL.openvino.with_suffix(".bin"))
    for path in (FOOTAGE, *shipped):
        assert path.stat().st_size > 100_000, path


def test_every_sample_has_a_card_that_names_its_licence() -> None:
    assert "Apache-2.0" in _card(FOOTAGE.parent)
    assert "AGPL-3.0" in _card(PARK_MODEL.folder)


def test_the_metadata_beside_the_model_says_what_the_catalog_says() -> None:
    written = json.loads(PARK_MODEL.metadata.read_text(encoding="utf-8"))
    expected = describe(PARK_MODEL)
    written.pop("exported_with")
    expected.pop("exported_with")
    assert written == expected


def test_the_footage_is_what_its_card_says() -> None:
    with av.open(FOOTAGE) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height, stream.frames) == (768, 576, 480)
        assert stream.average_rate == 10
        assert stream.codec.name == "h264"


def _card(folder: Path) -> str:
    return (folder / "README.md").read_text(encoding="utf-8")
