-- name: create
insert into account (account, created_at) values ($1, $2) on conflict do nothing;

-- name: create_balance
insert into balance (account) values ($1) on conflict do nothing;

-- name: exists
select 1 from account where account = $1;

-- name: balance
select account, version, available, held, receivable from balance where account = $1;

-- name: set_policy
update account set when_unreachable = $2 where account = $1 returning account;

-- name: lock_balances
select account, version, available, held, receivable from balance
where account = any($1::text[])
order by account
for update;

-- name: change_balances
update balance as b
set available = b.available + c.available,
    held = b.held + c.held,
    receivable = b.receivable + c.receivable
from unnest($1::text[], $2::int8[], $3::int8[], $4::int8[])
    as c (account, available, held, receivable)
where b.account = c.account
returning b.account, b.version, b.available, b.held, b.receivable;

-- name: all_balances
select account, version, available, held, receivable from balance order by account;

-- name: transfer
insert into transfer (at, kind, debit, credit, amount, reference, account)
select $1, kind, debit, credit, amount, reference, account
from unnest($2::text[], $3::text[], $4::text[], $5::int8[], $6::text[], $7::text[])
    as t (kind, debit, credit, amount, reference, account);

-- name: top_up
insert into topup (account, reference, amount) values ($1, $2, $3)
on conflict do nothing
returning amount;

-- name: top_up_amount
select amount from topup where account = $1 and reference = $2;

-- name: create_key
insert into api_key (key_id, account, secret_sha256, scopes, created_at)
values ($1, $2, $3, $4, $5);

-- name: key
select account, secret_sha256, scopes from api_key where key_id = $1 and revoked_at is null;

-- name: revoke_key
update api_key set revoked_at = $2 where key_id = $1 and revoked_at is null;
