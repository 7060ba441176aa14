"""What an account has and how it came: balance, ledger; and how operators open and fill accounts.

Amounts are told twice: in tokens with three decimals, for people, and as millitokens, for sums.
Whatever an operator sends twice with one `Idempotency-Key` happens once.
"""

from datetime import datetime
from typing import Annotated, Protocol

import msgspec
from fastapi import APIRouter, Depends, Header, Query, Request
from starlette.responses import Response

from billing.accounts import TopUp
from billing.keys import Caller
from billing.ledger import Transfer
from gateway.amounts import parse_tokens
from gateway.auth import Authenticator, account_of
from gateway.bodies import answer, read_json
from gateway.idempotency import check_key
from gateway.openapi import answers, body
from gateway.problems import raised
from wire.balances import Balance, format_tokens
from wire.errors import NotAllowed, Rejected
from wire.frames import INT64_MAX
from wire.names import is_name, name_rule

LEDGER_ROWS_MAX = 500
LEDGER_ROWS = 100


class AccountBook(Protocol):
    """Where accounts live (`billing.accounts.Accounts`)."""

    async def create(self, account: str) -> bool:
        """Open an account; return False when it was there already."""
        ...

    async def top_up(self, account: str, millitokens: int, reference: str) -> TopUp:
        """Add tokens once per reference."""
        ...

    async def balance(self, account: str) -> Balance:
        """Return what the account has."""
        ...


class Ledger(Protocol):
    """Where transfers are read."""

    async def ledger(self, account: str, before_id: int | None, limit: int) -> list[Transfer]:
        """Return transfers, the newest first, with ids below `before_id`."""
        ...


class AccountView(msgspec.Struct, frozen=True, kw_only=True):
    """A balance as it is told."""

    account: str
    available: str
    held: str
    receivable: str
    available_millitokens: int
    held_millitokens: int
    receivable_millitokens: int
    version: int


class TransferView(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the ledger as it is told."""

    id: int
    at: datetime
    kind: str
    debit: str
    credit: str
    tokens: str
    millitokens: int
    reference: str


class LedgerPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some lines of the ledger, the newest first; `next` is the `before` of the following ones."""

    transfers: list[TransferView]
    next: int | None


class TopUpView(msgspec.Struct, frozen=True, kw_only=True):
    """What a top-up did; `applied` is false when it had been done before."""

    applied: bool
    account: AccountView


class NewAccount(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Ask for an account."""

    account: str


class NewTopUp(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Ask for tokens: a decimal number as text, or whole millitokens."""

    tokens: str | None = None
    millitokens: int | None = None


def router(accounts: AccountBook, ledger: Ledger, auth: Authenticator) -> APIRouter:
    """Return the routes about accounts."""
    routes = APIRouter(tags=["accounts"])
    _add_reading(routes, accounts, ledger, auth)
    _add_administration(routes, accounts, auth)
    return routes


def _add_reading(
    routes: APIRouter, accounts: AccountBook, ledger: Ledger, auth: Authenticator
) -> None:
    reader = Depends(auth.requires("read"))

    @routes.get("/v1/account", responses=answers(AccountView))
    async def show_account(
        caller: Annotated[Caller, reader], account: str | None = None
    ) -> Response:
        """Tell what the account has. An operator's key must name the account."""
        return answer(_view(await accounts.balance(account_of(caller, account))))

    @routes.get("/v1/ledger", responses=answers(LedgerPage))
    async def show_ledger(
        caller: Annotated[Caller, reader],
        account: str | None = None,
        before: Annotated[int | None, Query(ge=1, le=INT64_MAX)] = None,
        limit: Annotated[int, Query(ge=1, le=LEDGER_ROWS_MAX)] = LEDGER_ROWS,
    ) -> Response:
        """List the account's transfers, the newest first."""
        rows = await ledger.ledger(account_of(caller, account), before, limit + 1)
        shown = rows[:limit]
        following = shown[-1].id if len(rows) > limit else None
        return answer(LedgerPage(transfers=[_transfer(row) for row in shown], next=following))


def _add_administration(routes: APIRouter, accounts: AccountBook, auth: Authenticator) -> None:
    admin = Depends(auth.requires("admin"))

    @routes.post(
        "/v1/admin/accounts",
        status_code=201,
        responses=answers(AccountView, 200, 201),
        openapi_extra=body(NewAccount),
    )
    async def create_account(
        request: Request,
        caller: Annotated[Caller, admin],
        idempotency_key: Annotated[str | None, Header()] = None,
    ) -> Response:
        """Open an account; 200 instead of 201 when it was there already."""
        _check_operator(caller, idempotency_key)
        name = (await read_json(request, NewAccount)).account
        made = await accounts.create(name)
        return answer(_view(await accounts.balance(name)), status=201 if made else 200)

    @routes.post(
        "/v1/admin/accounts/{account}/topups",
        status_code=201,
        responses=answers(TopUpView, 200, 201),
        openapi_extra=body(NewTopUp),
    )
    async def top_up(
        request: Request,
        account: str,
        caller: Annotated[Caller, admin],
        idempotency_key: Annotated[str | None, Header()] = None,
    ) -> Response:
        """Add tokens, once per `Idempotency-Key`; 200 instead of 201 when it had been done."""
        reference = _check_operator(caller, idempotency_key)
        amount = amount_of(await read_json(request, NewTopUp))
        if not is_name(account):
            raise Rejected(name_rule("account", account))
        done = await accounts.top_up(account, amount, reference)
        view = _view(await accounts.balance(account))
        shown = TopUpView(applied=done.applied, account=view)
        return answer(shown, status=201 if done.applied else 200)


def amount_of(asked: NewTopUp) -> int:
    """Return the millitokens to add; raise `Rejected` unless exactly one amount is given."""
    if asked.tokens is not None and asked.millitokens is None:
        return parse_tokens(asked.tokens)
    if asked.millitokens is not None and asked.tokens is None:
        return asked.millitokens
    raise Rejected('give either tokens, as text such as "12.5", or millitokens')


def _check_operator(caller: Caller, idempotency_key: str | None) -> str:
    if caller.account is not None:
        raise NotAllowed("only an operator's key may do this")
    if idempotency_key is None:
        raise raised("invalid-request", 422, "the header Idempotency-Key is required here")
    return check_key(idempotency_key)


def _view(balance: Balance) -> AccountView:
    return AccountView(
        account=balance.account,
        available=format_tokens(balance.available),
        held=format_tokens(balance.held),
        receivable=format_tokens(balance.receivable),
        available_millitokens=balance.available,
        held_millitokens=balance.held,
        receivable_millitokens=balance.receivable,
        version=balance.version,
    )


def _transfer(row: Transfer) -> TransferView:
    return TransferView(
        id=row.id,
        at=row.at,
        kind=row.kind,
        debit=row.debit,
        credit=row.credit,
        tokens=format_tokens(row.amount),
        millitokens=row.amount,
        reference=row.reference,
    )
