"""Gives commands the ledger that billing's tests have."""

from tests.integration.billing.conftest import house

__all__ = ["house"]
