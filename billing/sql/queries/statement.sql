-- name: balance
select available + held - receivable from balance where account = $1;

-- name: kept_since
select dropped_before from retention where relation = 'transfer';

-- name: movements
with moved as (
    select kind, at,
        amount * ((debit in ('issued', 'revenue'))::int - (credit in ('issued', 'revenue'))::int)
            as amount               -- between the account's own purses: 0
    from transfer
    where account = $1 and at >= $2 and kind in ('topup', 'charge', 'adjust')
)
select
    coalesce(sum(amount) filter (where at >= $3), 0)::int8 as later,
    coalesce(sum(amount) filter (where at < $3 and kind = 'topup'), 0)::int8 as topups,
    -coalesce(sum(amount) filter (where at < $3 and kind = 'charge'), 0)::int8 as charges,
    coalesce(sum(amount) filter (where at < $3 and kind = 'adjust'), 0)::int8 as adjustments,
    count(*) filter (where at < $3 and kind <> 'charge') as entries
from moved;

-- name: entries
select at, kind, reference,
    amount * ((debit in ('issued', 'revenue'))::int - (credit in ('issued', 'revenue'))::int)
        as millitokens
from transfer
where account = $1 and at >= $2 and at < $3 and kind in ('topup', 'adjust')
order by at, id
limit $4;

-- name: chain_head
select position, at, hash from transfer_seal order by position desc limit 1;
