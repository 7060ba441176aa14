"""What `migrate` says of a database that it cannot use."""

from urllib.parse import urlsplit, urlunsplit

import pytest

from billing.database import migrate
from tests.stack.running import RunningStack
from wire.errors import Misconfigured, Retryable

pytestmark = pytest.mark.integration


async def test_a_server_that_refuses_the_dsn_is_a_misconfiguration(stack: RunningStack) -> None:
    refused = urlunsplit(urlsplit(stack.postgres)._replace(path="/nobody_made_this"))
    with pytest.raises(Misconfigured, match="FRAMEMETER_POSTGRES"):
        await migrate(refused)


async def test_a_server_that_is_away_can_be_tried_again() -> None:
    with pytest.raises(Retryable, match="PostgreSQL"):
        await migrate("postgresql://framemeter@127.0.0.1:1/framemeter")
