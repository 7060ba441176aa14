-- name: lead
select pg_try_advisory_lock($1);

-- name: follow
select pg_advisory_unlock($1);

-- name: take
select id, account, version, available, held, receivable from outbox order by id limit $1;

-- name: told
delete from outbox where id = any($1::int8[]);
