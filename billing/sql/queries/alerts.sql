-- name: thresholds
select threshold, is_low from alert where account = $1 order by threshold desc;

-- name: keep_thresholds
delete from alert where account = $1 and not threshold = any($2::int8[]);

-- name: add_thresholds
insert into alert (account, threshold, is_low)
select $1, threshold, $3::int8 < threshold from unnest($2::int8[]) as t (threshold)
on conflict do nothing;

-- name: webhook
select url from webhook where account = $1;

-- name: set_webhook
insert into webhook (account, url, secret, created_at) values ($1, $2, $3, $4)
on conflict (account) do update
set url = excluded.url, secret = excluded.secret, created_at = excluded.created_at;

-- name: remove_webhook
delete from webhook where account = $1;

-- name: drop_deliveries
update alert_event
set next_attempt_at = null, given_up_at = $2, last_error = 'the webhook was removed'
where account = $1 and next_attempt_at is not null;

-- name: events
select account, threshold, version, available, held, at, published_at,
    attempts, next_attempt_at, delivered_at, given_up_at, last_error
from alert_event
where account = $1
order by id desc
limit $2;

-- name: due
-- The oldest of each account's, so that one account has one request under way at most.
select * from (
    select distinct on (e.account) e.id, e.account, e.threshold, e.version, e.available, e.held,
        e.at, e.attempts, e.next_attempt_at, w.url, w.secret
    from alert_event as e
    join webhook as w using (account)
    where e.next_attempt_at <= $1
    order by e.account, e.id
) as oldest
order by next_attempt_at, id
limit $2;

-- name: attempted
-- Of two that tried the same one, the later learns of the first and writes nothing.
update alert_event
set attempts = attempts + 1, next_attempt_at = $3, delivered_at = $4, given_up_at = $5,
    last_error = $6
where id = $1 and attempts = $2 and next_attempt_at is not null;
