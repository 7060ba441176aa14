"""HTML and SVG as trees of elements: whatever is put into them as text or attribute is escaped.

Control characters, and those that turn the direction of writing, are replaced: a name or a
reference cannot look like something else than it is.
"""

import re
from collections.abc import Mapping
from xml.etree.ElementTree import Element, tostring

_UNSHOWN = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_REPLACEMENT = "\ufffd"

Attributes = Mapping[str, str | int | float]


def element(tag: str, attributes: Attributes | None = None, *children: "Element | str") -> Element:
    """Return an element with these attributes, and texts and elements in it."""
    made = Element(tag, {name: _shown(value) for name, value in (attributes or {}).items()})
    last: Element | None = None
    for child in children:
        if isinstance(child, Element):
            made.append(child)
            last = child
        elif last is None:
            made.text = (made.text or "") + _shown(child)
        else:
            last.tail = (last.tail or "") + _shown(child)
    return made


def document(*, title: str, style: str, body: Element) -> str:
    """Return a whole HTML page; `style` is ours and goes in as it is."""
    assert "</" not in style, "a style sheet cannot close its element"
    sheet = Element("style")
    sheet.text = style
    head = element(
        "head",
        None,
        element("meta", {"charset": "utf-8"}),
        element("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}),
        element("meta", {"name": "color-scheme", "content": "light dark"}),
        element("title", None, title),
        sheet,
    )
    page = element("html", {"lang": "en"}, head, body)
    return "<!doctype html>\n" + tostring(page, encoding="unicode", method="html") + "\n"


def _shown(value: str | int | float) -> str:
    if isinstance(value, float):
        return f"{value:.2f}".rstrip("0").rstrip(".")
    return _UNSHOWN.sub(_REPLACEMENT, str(value))
