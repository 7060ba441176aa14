"""Thresholds and webhooks in memory."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from billing.alerts import AlertStatus, Threshold, Told
from wire.errors import UnknownAccount


@dataclass
class MemoryAlerts:
    """What `billing.alerts.Alerts` keeps, for accounts whose balances are looked at."""

    accounts: Mapping[str, int]
    thresholds: dict[str, list[int]] = field(default_factory=dict)
    webhooks: dict[str, str] = field(default_factory=dict)
    told: dict[str, tuple[Told, ...]] = field(default_factory=dict)

    async def status(self, account: str) -> AlertStatus:
        self._check(account)
        return AlertStatus(
            account=account,
            thresholds=tuple(
                Threshold(threshold=each, is_low=self.accounts[account] < each)
                for each in sorted(self.thresholds.get(account, ()), reverse=True)
            ),
            webhook=self.webhooks.get(account),
            told=self.told.get(account, ()),
        )

    async def set_thresholds(self, account: str, thresholds: list[int]) -> AlertStatus:
        self._check(account)
        self.thresholds[account] = thresholds
        return await self.status(account)

    async def set_webhook(self, account: str, url: str) -> str:
        self._check(account)
        self.webhooks[account] = url
        return f"whsec_{account}"

    async def remove_webhook(self, account: str) -> bool:
        self._check(account)
        return self.webhooks.pop(account, None) is not None

    def _check(self, account: str) -> None:
        if account not in self.accounts:
            raise UnknownAccount(f"there is no account {account!r}")
