-- name: lead
select pg_try_advisory_xact_lock($1);

-- name: by_index
-- Before statistics are gathered, the planner would sort all that waits for each batch.
select set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true),
    set_config('enable_sort', 'off', true);

-- name: head
select position, hash from transfer_seal order by position desc limit 1;

-- name: cursor
-- The newest seal that this server's own counter of transactions has passed: where a database was
-- restored on another server, its older seals have numbers of the old one's counter.
select xid, transfer from transfer_seal
where xid < pg_snapshot_xmin(pg_current_snapshot())
order by position desc limit 1;

-- name: waiting
-- Only of transactions older than every one that runs: none can come later with a lower number.
select xid, id, at, kind, debit, credit, amount, reference, account from transfer
where xid < pg_snapshot_xmin(pg_current_snapshot()) and (xid, id) > ($1::xid8, $2::int8)
order by xid, id
limit $3;

-- name: sealed
select transfer from transfer_seal where transfer = any($1::int8[]);

-- name: add
insert into transfer_seal (position, transfer, at, xid, hash)
select * from unnest($1::int8[], $2::int8[], $3::timestamptz[], $4::xid8[], $5::bytea[]);

-- name: page
select position, transfer, at, hash from transfer_seal
where position > $1
order by position
limit $2;

-- name: transfers
select id, at, kind, debit, credit, amount, reference, account from transfer
where id = any($1::int8[]) and at between $2 and $3;

-- name: transfers_anywhere
select id, at, kind, debit, credit, amount, reference, account from transfer
where id = any($1::int8[]);

-- name: dropped
select dropped_before, last_position from retention where relation = 'transfer';

-- name: unsealed
with behind as (
    select xid, transfer from transfer_seal
    where xid < pg_snapshot_xmin(pg_current_snapshot())
    order by position desc limit 1
)
select count(*) as transfers, min(t.at) as oldest,
    (select max(watermark_at) from consumer_position) as biller_seen,
    min(t.id) filter (where (t.xid, t.id) < (select xid, transfer from behind)) as slipped_in
from transfer as t
where not exists (select from transfer_seal as s where s.transfer = t.id);
