-- name: bind_stream
insert into stream (stream, account) values ($1, $2) on conflict do nothing;

-- name: lock_stream
select account from stream where stream = $1 for update;

-- name: last_epoch
select coalesce(max(epoch), 0) from session where stream = $1;

-- name: supersede
update session set state = 'closing', close_reason = 'superseded', closed_at = $2
where stream = $1 and state = 'open';

-- name: open
insert into session
    (stream, epoch, account, model, task, height, width, tier, unit_price, tariff, state,
     opened_at, expires_at, granted_frames, held_frames, plan, batch_images, size_class, slices)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'open', $11, $12, $13, $13, $14, $15, $16, $17);

-- name: lock
select account, state, unit_price, granted_frames, held_frames, last_seq, in_doubt, covered
from session
where stream = $1 and epoch = $2 and ($3::text is null or account = $3)
for update;

-- name: lock_renewed
select s.stream, s.epoch, s.account, s.state, s.unit_price, s.granted_frames, s.published
from session as s
join unnest($1::text[], $2::int8[]) as u (stream, epoch)
    on s.stream = u.stream and s.epoch = u.epoch
order by s.stream, s.epoch
for update of s;

-- name: lock_funds
select b.account, b.version, b.available, b.held, b.receivable, a.when_unreachable,
    (select count(*) from session as s
     where s.account = b.account and s.state = 'open') as sessions
from balance as b
join account as a on a.account = b.account
where b.account = any($1::text[])
order by b.account
for update of b;

-- name: renew
update session as s
set granted_frames = s.granted_frames + u.frames, held_frames = s.held_frames + u.frames,
    published = greatest(s.published, u.published), captured = greatest(s.captured, u.captured),
    still = greatest(s.still, u.still), expires_at = $7
from unnest($1::text[], $2::int8[], $3::int8[], $4::int8[], $5::int8[], $6::int8[])
    as u (stream, epoch, frames, published, captured, still)
where s.stream = u.stream and s.epoch = u.epoch;

-- name: close
update session
set state = $3, last_seq = $4, captured = greatest(captured, $5),
    close_reason = coalesce(close_reason, $6), in_doubt = $7, held_frames = $8,
    published = greatest(published, $4::int8 + 1), closed_at = $9,
    expires_at = least(expires_at, $9), still = greatest(still, $10)
where stream = $1 and epoch = $2;

-- name: lead_janitor
select pg_try_advisory_xact_lock($1);

-- name: unsettled
select count(*) from session where account = $1 and state in ('open', 'closing');

-- name: watermark
select case when count(*) = count(watermark_at) then min(watermark_at) end
from consumer_position where $1::text is null or topic = $1;

-- name: lock_expired
select stream, epoch, account, unit_price, held_frames,
    state = 'closing' and last_seq is not null
        and covered @> int8multirange(int8range(0, last_seq + 1)) as complete
from session
where state in ('open', 'closing') and expires_at < $1
order by stream, epoch
limit $2
for update;

-- name: expire
update session as s
set state = e.state, held_frames = 0,
    closed_at = coalesce(s.closed_at, $4), close_reason = coalesce(s.close_reason, 'expired')
from unnest($1::text[], $2::int8[], $3::text[]) as e (stream, epoch, state)
where s.stream = e.stream and s.epoch = e.epoch;
