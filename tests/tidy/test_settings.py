"""Every setting is explained, in the code and in the documentation."""

import pytest
from pydantic_settings import BaseSettings

from tests.tidy.settings_doc import PAGE, own_fields, page, settings_classes, variable
from wire.settings import WireSettings

every_class = pytest.mark.parametrize(
    "kind", settings_classes(), ids=lambda kind: f"{kind.__module__}.{kind.__name__}"
)


def test_the_page_of_settings_is_up_to_date() -> None:
    assert PAGE.read_text() == page(), "run `python -m tests.tidy.settings_doc`"


@every_class
def test_every_setting_says_what_it_is_for(kind: type[BaseSettings]) -> None:
    silent = [name for name, field in own_fields(kind).items() if not field.description]
    assert silent == []


@every_class
def test_settings_are_frozen_and_hide_what_they_complain_about(kind: type[BaseSettings]) -> None:
    assert issubclass(kind, WireSettings)
    assert kind.model_config.get("frozen")
    assert kind.model_config.get("hide_input_in_errors")


def test_a_variable_means_one_thing() -> None:
    owners: dict[str, set[str]] = {}
    for kind in settings_classes():
        for name, field in own_fields(kind).items():
            owners.setdefault(variable(kind, name, field), set()).add(field.description or "")
    assert {name: texts for name, texts in owners.items() if len(texts) > 1} == {}
