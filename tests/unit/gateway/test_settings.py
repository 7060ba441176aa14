"""A replica has a name that can be part of a stream's name."""

import pytest
from pydantic import ValidationError

from gateway.settings import GatewaySettings
from gateway.virtual_streams import REPLICA_LENGTH_MAX
from wire.names import is_name


def test_a_replica_is_named_after_its_host_and_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "Node_7.Example." + "x" * 80)
    name = GatewaySettings(port=8_123).replica_name()
    assert name.startswith("node-7-example-x") and name.endswith("-8123")
    assert len(name) <= REPLICA_LENGTH_MAX and is_name(name) and "." not in name


def test_a_given_name_is_kept() -> None:
    assert GatewaySettings(replica="gw-1").replica_name() == "gw-1"


@pytest.mark.parametrize("name", ["a.b", "A", "-a", "x" * 49])
def test_a_name_that_would_not_fit_is_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        GatewaySettings(replica=name)
