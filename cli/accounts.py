"""`framemeter accounts`: create accounts, fill them, set policy and plan, make keys."""

from decimal import Decimal, InvalidOperation
from typing import Annotated

import typer

from billing.accounts import Accounts
from billing.database import migrate
from billing.tariffs import Tariffs
from cli import terminal
from cli.deployment import Deployment, database, deployment
from wire.balances import MILLITOKENS_PER_TOKEN, Balance
from wire.errors import Rejected
from wire.sessions import WhenUnreachable

OPERATOR_SCOPES = ("sessions", "read", "admin")
USER_SCOPES = ("detect", "read")

_MEANS = {
    WhenUnreachable.STOP: "stop at once",
    WhenUnreachable.FINISH: "use up what is granted to them, and then stop",
}

Name = Annotated[str, typer.Argument(help="The account's name.")]


def build() -> typer.Typer:
    """Return the command group."""
    group = typer.Typer(no_args_is_help=True, help="Accounts, top-ups and API keys.")
    group.command("create")(create)
    group.command("top-up")(top_up)
    group.command("show")(show)
    group.command("policy")(policy)
    group.command("plan")(plan)
    group.command("key")(key)
    group.command("revoke")(revoke)
    return group


def millitokens(tokens: str) -> int:
    """Return an amount of tokens with at most three decimals as millitokens."""
    try:
        amount = Decimal(tokens) * MILLITOKENS_PER_TOKEN
    except InvalidOperation:
        raise Rejected(f"{tokens!r} is not an amount of tokens, such as 1000 or 12.5") from None
    if not amount.is_finite() or amount != amount.to_integral_value() or amount <= 0:
        raise Rejected(f"{tokens!r} must be over 0 and have at most three decimals")
    return int(amount)


def create(account: Name) -> None:
    """Open an account."""
    terminal.run(_create(deployment(), account))
    terminal.output().print(f"account [bold]{account}[/bold] is open")


async def _create(target: Deployment, account: str) -> None:
    await migrate(target.postgres)
    async with database(target) as pool:
        await Accounts(pool, target.clock).create(account)


def top_up(
    account: Name,
    tokens: Annotated[str, typer.Argument(help="How many tokens, up to three decimals.")],
    reference: Annotated[
        str, typer.Option(help="The payment's own id; the same one is booked once.")
    ],
) -> None:
    """Put tokens on an account."""
    applied, balance = terminal.run(_top_up(deployment(), account, millitokens(tokens), reference))
    console = terminal.output()
    if not applied:
        console.print(f"{reference} was booked before: nothing changed")
    _print_balance(balance)


async def _top_up(
    target: Deployment, account: str, amount: int, reference: str
) -> tuple[bool, Balance]:
    async with database(target) as pool:
        accounts = Accounts(pool, target.clock)
        booked = await accounts.top_up(account, amount, reference)
        return booked.applied, await accounts.balance(account)


def show(account: Name) -> None:
    """Show an account's balance and plan."""
    balance, plan_name = terminal.run(_balance(deployment(), account))
    _print_balance(balance)
    terminal.output().print(f"plan {plan_name}")


async def _balance(target: Deployment, account: str) -> tuple[Balance, str]:
    async with database(target) as pool:
        balance = await Accounts(pool, target.clock).balance(account)
        return balance, await Tariffs(pool, target.clock).plan(account)


def _print_balance(balance: Balance) -> None:
    view = terminal.table(
        balance.account,
        ("available", "held", "receivable"),
        numbers=("available", "held", "receivable"),
    )
    view.add_row(
        *(terminal.tokens(n) for n in (balance.available, balance.held, balance.receivable))
    )
    terminal.output().print(view)


def policy(
    account: Name,
    when_unreachable: Annotated[
        WhenUnreachable,
        typer.Argument(help="stop: publish nothing; finish: what is paid for already."),
    ],
) -> None:
    """Choose what an account's streams do while billing cannot be reached."""
    terminal.run(_set_policy(deployment(), account, when_unreachable))
    terminal.output().print(
        f"while billing cannot be reached, streams of [bold]{account}[/bold]"
        f" {_MEANS[when_unreachable]}"
    )


async def _set_policy(target: Deployment, account: str, chosen: WhenUnreachable) -> None:
    async with database(target) as pool:
        await Accounts(pool, target.clock).set_policy(account, chosen)


def plan(
    account: Name,
    name: Annotated[str, typer.Argument(metavar="PLAN", help="A plan of the tariff in force.")],
) -> None:
    """Put an account on a plan. It holds for sessions that open from now on."""
    changed = terminal.run(_plan(deployment(), account, name))
    told = "is on plan" if changed else "was on plan"
    terminal.output().print(f"account [bold]{account}[/bold] {told} {name}")


async def _plan(target: Deployment, account: str, name: str) -> bool:
    async with database(target) as pool:
        return await Tariffs(pool, target.clock).set_plan(account, name)


def key(
    account: Annotated[str, typer.Argument(help="Whose key; leave out with --operator.")] = "",
    scope: Annotated[
        list[str] | None, typer.Option(help="detect, sessions, read or admin; repeatable.")
    ] = None,
    operator: Annotated[
        bool, typer.Option(help="A key that may act for every account (producers, admins).")
    ] = False,
) -> None:
    """Make an API key. It is shown once and stored as a hash."""
    if operator == bool(account):
        raise Rejected("name an account or give --operator, one of the two")
    scopes = tuple(scope or (OPERATOR_SCOPES if operator else USER_SCOPES))
    secret = terminal.run(_key(deployment(), account or None, scopes))
    terminal.messages().print("keep this key, it is not shown again:")
    terminal.output().print(secret, soft_wrap=True, highlight=False)


async def _key(target: Deployment, account: str | None, scopes: tuple[str, ...]) -> str:
    await migrate(target.postgres)
    async with database(target) as pool:
        made = await Accounts(pool, target.clock).create_key(account, scopes)
        return made.secret


def revoke(key_id: Annotated[str, typer.Argument(help="The middle part of fm_<id>_…")]) -> None:
    """Make a key worthless."""
    if not terminal.run(_revoke(deployment(), key_id)):
        raise Rejected(f"there is no living key {key_id!r}: give the middle part of fm_<id>_…")
    terminal.output().print(f"key {key_id} is revoked")


async def _revoke(target: Deployment, key_id: str) -> bool:
    async with database(target) as pool:
        return await Accounts(pool, target.clock).revoke_key(key_id)
