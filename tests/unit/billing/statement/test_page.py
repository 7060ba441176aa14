"""The page tells every figure exactly, escapes whatever it is given, and loads nothing."""

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.statement.amounts import tokens
from billing.statement.figures import Entry, Movement
from billing.statement.page import page
from tests.unit.billing.statement.made import GATE, HOUR, START, made, used


class Reader(HTMLParser):
    """What a browser would see: elements, their attributes, and the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += f"{data}\n"


def cells(text: str) -> list[str]:
    """Return the texts of the page, in their order, with plain spaces and signs."""
    plain = Reader(text).text.replace("\u202f", " ").replace("\u2212", "-")
    return [line.strip() for line in plain.splitlines() if line.strip()]


def after(found: list[str], *names: str) -> str:
    """Return the text that follows these ones."""
    at = next(n for n in range(len(found)) if found[n : n + len(names)] == list(names))
    return found[at + len(names)]


def test_the_balance_is_told_from_opening_to_closing() -> None:
    found = cells(page(made()))
    assert after(found, "Opening, 2026-11-24 00:00") == "1 234.567"
    assert after(found, "+", "Top-ups") == "5 000.000"
    assert after(found, "-", "Charges") == "2 007.000"
    assert after(found, "-", "Adjustments") == "50.001"
    assert after(found, "=", "Closing, 2026-11-25 00:00") == "4 177.566"


def test_each_contract_and_entry_and_the_seal_are_told() -> None:
    found = cells(page(made()))
    at = found.index("yolov8s 640×640")  # noqa: RUF001
    gate = [
        "gate",
        "yolov8s 640×640",  # noqa: RUF001
        "1.000",
        "v1 standard",
        *("2 000", "0", "0", "3", "0"),
        *("2 000.000", "-50.000"),
    ]
    assert found[at - 1 : at + 10] == gate
    assert after(found, "2026-11-24 01:00", "Top-up", "invoice 7") == "5 000.000"
    assert after(found, "2026-11-24 02:00", "Adjustment", "october") == "-50.001"
    assert bytes(range(32)).hex() in found
    assert any("exactly what was taken" in text for text in found)


def test_what_was_booked_on_the_other_side_of_an_edge_is_told() -> None:
    movement = Movement(opening=0, topups=0, charges=2_008_500, adjustments=0)
    assert "1.500 tokens were booked in this period for frames" in page(made(movement=movement))
    movement = replace(movement, charges=2_006_000)
    assert "1.000 tokens were not booked in this period" in page(made(movement=movement))


def test_a_period_that_can_still_change_says_so() -> None:
    assert "may still get charges" not in page(made())
    fresh = made(made_at=START + 24 * HOUR + timedelta(seconds=5))
    assert "may still get charges" in page(fresh)


def test_an_account_without_anything_has_a_page_too() -> None:
    nothing = Movement(opening=0, topups=0, charges=0, adjustments=0)
    empty = made(
        movement=nothing, contracts=(), steps=(), entries=(), entries_in_all=0, chain_head=None
    )
    text = page(empty)
    assert "No frames in this period." in text
    assert "No transfer has been sealed yet." in text


def test_a_long_list_says_what_it_leaves_out() -> None:
    assert "The first 1\u202f000 of 1\u202f234" in page(made(entries_in_all=1_234))


def page_about(text: str) -> Reader:
    """Return the page on which every free text is this one."""
    return Reader(
        page(
            made(
                account=text,
                contracts=(replace(GATE, stream=text, model=text, tariff=text, tier=text),),
                steps=(used(text, 1, 2_000_000),),
                entries=(Entry(at=START, kind="topup", reference=text, millitokens=1),),
            )
        )
    )


@given(st.text(st.characters(codec="utf-8"), max_size=40))
def test_no_text_becomes_markup(text: str) -> None:
    hostile = f"{text}</title></style><script>x</script>\"'><img src=x onerror=x>\x00\u202e&amp;"
    attacked, plain = page_about(hostile), page_about("gate")
    assert attacked.tags == plain.tags
    assert [name for name, _ in attacked.attributes] == [name for name, _ in plain.attributes]
    assert "</title></style><script>" in attacked.text
    assert not re.search("[\x00\u202e]", attacked.text)


def test_the_page_needs_nothing_else() -> None:
    reader = Reader(page(made()))
    assert not {name for name, _ in reader.attributes} & {"href", "src", "srcset", "action"}
    assert "url(" not in page(made())
    assert "@import" not in page(made())


def test_charts_are_told_to_who_cannot_see_them_and_tables_have_headers() -> None:
    text = page(made())
    for drawing in re.findall(r"<svg.*?</svg>", text, re.DOTALL):
        root = ET.fromstring(drawing)
        assert root.get("role") == "img"
        assert [child.tag for child in root][:2] == ["title", "desc"]
        assert all(child.text for child in list(root)[:2])
    assert text.count("<svg") == 2
    for table in re.findall(r"<table.*?</table>", text, re.DOTALL):
        rows = ET.fromstring(table).findall("./tbody/tr")
        assert rows
        assert all(row.find("th").get("scope") == "row" for row in rows)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("millitokens", "told"),
    [(0, "0.000"), (-5, "-0.005"), (1_234_567_890, "1 234 567.890"), (-1_000_000, "-1 000.000")],
)
def test_amounts_are_exact(millitokens: int, told: str) -> None:
    assert tokens(millitokens).replace("\u202f", " ").replace("\u2212", "-") == told
