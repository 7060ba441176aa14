"""`framemeter alerts`: who is told when tokens run low, from which amount on, and where."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, TypeVar

import typer
from rich.table import Table

from billing.alerts import Alerts, AlertStatus, State, Told
from billing.settings import BillingSettings
from cli import terminal
from cli.accounts import millitokens
from cli.deployment import database, deployment
from wire.errors import Rejected

T = TypeVar("T")

Name = Annotated[str, typer.Argument(help="The account's name.")]
Amounts = Annotated[list[str], typer.Argument(help="Tokens, up to three decimals; repeatable.")]


def build() -> typer.Typer:
    """Return the command group."""
    group = typer.Typer(no_args_is_help=True, help="Alerts of low balances, and their webhooks.")
    group.command("set")(set_thresholds)
    group.command("list")(show)
    group.command("remove")(remove)
    group.command("webhook")(webhook)
    return group


def set_thresholds(account: Name, tokens: Amounts) -> None:
    """Tell the account when less than TOKENS are left; replaces what was set before."""
    thresholds = list(map(millitokens, tokens))
    _print(terminal.run(_with_alerts(lambda alerts: alerts.set_thresholds(account, thresholds))))


def show(account: Name) -> None:
    """Show the thresholds, the webhook, and the alerts of late with what became of them."""
    _print(terminal.run(_with_alerts(lambda alerts: alerts.status(account))))


def remove(
    account: Name,
    tokens: Annotated[
        list[str] | None, typer.Argument(help="Which thresholds; all when none is named.")
    ] = None,
) -> None:
    """Remove thresholds."""
    thresholds = list(map(millitokens, tokens or ()))
    _print(terminal.run(_with_alerts(lambda alerts: alerts.remove_thresholds(account, thresholds))))


def webhook(
    account: Name,
    url: Annotated[str, typer.Argument(help="Where alerts are sent; https.")] = "",
    remove: Annotated[bool, typer.Option("--remove", help="Send no alerts any more.")] = False,
) -> None:
    """Send the account's alerts to URL. The secret that signs them is new, and shown once."""
    if remove == bool(url):
        raise Rejected("name a URL or give --remove, one of the two")
    if remove:
        found = terminal.run(_with_alerts(lambda alerts: alerts.remove_webhook(account)))
        terminal.output().print("the webhook is removed" if found else "there was no webhook")
        return
    secret = terminal.run(_with_alerts(lambda alerts: alerts.set_webhook(account, url)))
    terminal.messages().print("keep this secret, it is not shown again:")
    terminal.output().print(secret, soft_wrap=True, highlight=False)


async def _with_alerts(work: Callable[[Alerts], Awaitable[T]]) -> T:
    target, allow_private = deployment(), BillingSettings().webhook_private_addresses
    async with database(target) as pool:
        return await work(Alerts(pool, target.clock, allow_private=allow_private))


def _print(status: AlertStatus) -> None:
    console = terminal.output()
    console.print(threshold_table(status))
    console.print(f"webhook: {status.webhook or 'none'}", soft_wrap=True, markup=False)
    if status.told:
        console.print(told_table(status))


def threshold_table(status: AlertStatus) -> Table:
    """Return the thresholds and which of them the balance is below."""
    view = terminal.table(f"Alerts of {status.account}", ("below", "now"), numbers=("below",))
    for each in status.thresholds:
        now = "[yellow]low[/yellow]" if each.is_low else "enough"
        view.add_row(terminal.tokens(each.threshold), now)
    return view


def told_table(status: AlertStatus) -> Table:
    """Return the newest alerts, and whether the webhook has them."""
    columns = ("at", "below", "left", "topic", "webhook", "attempts", "why not")
    view = terminal.table("Told", columns, numbers=("below", "left", "attempts"))
    for told in status.told:
        view.add_row(
            _moment(told.at),
            terminal.tokens(told.alert.threshold),
            terminal.tokens(told.alert.available + told.alert.held),
            "no" if told.published_at is None else "yes",
            _delivery(told),
            str(told.attempts),
            told.last_error or "",
        )
    return view


def _delivery(told: Told) -> str:
    if told.state is State.PENDING and told.next_attempt_at is not None:
        return f"due {_moment(told.next_attempt_at)}"
    return told.state.value.replace("_", " ")


def _moment(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S")
