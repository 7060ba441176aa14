"""The table of topics: columns share their partitions, compacted topics keep the newest."""

import pytest

from wire.frames import PICTURE_BYTES_MAX, Tier
from wire.topics import DEADLETTER_BYTES_MAX, MESSAGE_BYTES_MAX, Topic, Topics

TOPICS = Topics(prefix="test.", partitions=5)
TABLE = {topic.name: topic for topic in TOPICS.table()}
COLUMN = [
    *TOPICS.frames_all,
    TOPICS.detections,
    TOPICS.usage,
    TOPICS.replies,
    TOPICS.deadletter,
]
COMPACTED = [TOPICS.streams, TOPICS.models, TOPICS.balances]


def test_the_table_holds_every_topic_once() -> None:
    assert sorted(TABLE) == sorted([*COLUMN, *COMPACTED])
    assert len(TOPICS.table()) == len(TABLE)
    assert all(name.startswith("test.") for name in TABLE)


def test_the_default_names_are_those_of_the_documentation() -> None:
    names = {topic.name for topic in Topics().table()}
    words = "frames.standard frames.priority detections usage replies deadletter"
    words += " streams models balances"
    assert names == {f"framemeter.{word}" for word in words.split()}


def test_priority_comes_first() -> None:
    assert TOPICS.frames_all == ("test.frames.priority", "test.frames.standard")
    assert TOPICS.frames(Tier.STANDARD) == "test.frames.standard"


@pytest.mark.parametrize("name", COLUMN)
def test_topics_of_a_column_have_the_same_partitions(name: str) -> None:
    assert TABLE[name].partitions == 5
    assert "cleanup.policy" not in TABLE[name].config


@pytest.mark.parametrize("name", COMPACTED)
def test_state_topics_are_compacted(name: str) -> None:
    assert TABLE[name].config["cleanup.policy"] == "compact"


@pytest.mark.parametrize("name", TOPICS.frames_all)
def test_pictures_are_not_compressed_again(name: str) -> None:
    assert TABLE[name].config["compression.type"] == "uncompressed"


@pytest.mark.parametrize("name", [TOPICS.detections, TOPICS.usage, TOPICS.replies, *COMPACTED])
def test_json_is_compressed(name: str) -> None:
    assert TABLE[name].config["compression.type"] == "lz4"


def test_a_picture_fits_a_message_and_any_message_fits_the_deadletter_topic() -> None:
    assert PICTURE_BYTES_MAX < MESSAGE_BYTES_MAX < DEADLETTER_BYTES_MAX
    sizes = {name: int(topic.config["max.message.bytes"]) for name, topic in TABLE.items()}
    assert sizes.pop(TOPICS.deadletter) == DEADLETTER_BYTES_MAX
    assert set(sizes.values()) == {MESSAGE_BYTES_MAX}


def test_the_audit_log_outlives_a_year_and_pictures_do_not_outlive_an_hour() -> None:
    def hours(topic: Topic) -> float:
        return int(topic.config["retention.ms"]) / 3_600_000

    assert hours(TABLE[TOPICS.usage]) > 365 * 24
    assert all(hours(TABLE[name]) < 1 for name in TOPICS.frames_all)
