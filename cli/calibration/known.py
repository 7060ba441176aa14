"""What the ledger knows that a measurement needs; the published tariff where none answers."""

from collections.abc import Mapping
from dataclasses import dataclass

import asyncpg

from billing.catalog import Catalog
from billing.tariff import TARIFF_V1, Tariff
from billing.tariffs import Tariffs
from cli import terminal
from cli.deployment import Deployment, database, deployment
from wire.errors import Misconfigured, Retryable
from wire.models import ModelSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """The tariff in force and the models; a `note` for people where there is no ledger."""

    tariff: Tariff
    models: Mapping[str, ModelSpec]
    note: str = ""


def known() -> Known:
    """Ask the ledger that the environment names."""
    try:
        return terminal.run(_ask(deployment()))
    except (Retryable, Misconfigured, asyncpg.UndefinedTableError):
        return Known(
            tariff=TARIFF_V1,
            models={},
            note="no ledger answers: models are files, prices those of the published tariff v1",
        )


async def _ask(target: Deployment) -> Known:
    async with database(target) as pool:
        tariff = await Tariffs(pool, target.clock).in_force(target.clock.now())
        specs = await Catalog(pool).list()
    return Known(tariff=tariff, models={spec.model: spec for spec in specs})
