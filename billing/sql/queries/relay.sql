-- name: lead
select pg_try_advisory_lock($1);

-- name: take
select id, account, version, available, held, receivable from outbox order by id limit $1;

-- name: told
delete from outbox where id = any($1::int8[]);

-- name: take_alerts
select id, account, threshold, version, available, held, at
from alert_event
where published_at is null
order by id
limit $1;

-- name: told_alerts
update alert_event set published_at = $2 where id = any($1::int8[]);
