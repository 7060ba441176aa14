-- name: register_partitions
insert into consumer_position (topic, partition)
select $1, partition from unnest($2::int4[]) as partition
on conflict do nothing;

-- name: claim
insert into consumer_position as p (topic, partition, owner, owner_epoch)
values ($1, $2, $3, 1)
on conflict (topic, partition) do update
set owner = excluded.owner, owner_epoch = p.owner_epoch + 1
returning owner_epoch, next_offset;

-- name: lock_position
select next_offset from consumer_position
where topic = $1 and partition = $2 and owner_epoch = $3
for update;

-- name: move_position
update consumer_position
set next_offset = $4, watermark_at = greatest(watermark_at, $5)
where topic = $1 and partition = $2 and owner_epoch = $3;

-- name: move_watermark
update consumer_position
set watermark_at = greatest(watermark_at, $4)
where topic = $1 and partition = $2 and owner_epoch = $3;

-- name: rewind
update consumer_position set next_offset = 0
where topic = $1 and partition = $2 and owner_epoch = $3;

-- name: lock_sessions
select s.stream, s.epoch, s.account, s.model, s.height, s.width, s.unit_price,
    s.state, s.last_seq, s.in_doubt, s.held_frames, s.covered
from session as s
join unnest($1::text[], $2::int8[]) as u (stream, epoch)
    on s.stream = u.stream and s.epoch = u.epoch
order by s.stream, s.epoch
for update of s;

-- name: cover
update session as s
set covered = s.covered + u.fresh::int8multirange,
    charged_frames = s.charged_frames + u.charged_frames,
    held_frames = u.held_frames,
    state = case when u.settled then 'settled' else s.state end
from unnest($1::text[], $2::int8[], $3::text[], $4::int8[], $5::int8[], $6::bool[])
    as u (stream, epoch, fresh, charged_frames, held_frames, settled)
where s.stream = u.stream and s.epoch = u.epoch
    and not s.covered && u.fresh::int8multirange;

-- name: add_usage
with line as (
    select * from unnest($1::text[], $2::int8[], $3::timestamptz[], $4::text[], $5::text[],
        $6::int8[], $7::int8[])
        as l (stream, epoch, minute, status, account, frames, millitokens)
), hours as (
    insert into usage_hour as h (stream, epoch, hour, status, account, frames, millitokens)
    select stream, epoch, date_trunc('hour', minute, 'UTC'), status, account,
        sum(frames), sum(millitokens)
    from line group by 1, 2, 3, 4, 5
    order by 1, 2, 3, 4
    on conflict (stream, epoch, hour, status) do update
    set frames = h.frames + excluded.frames, millitokens = h.millitokens + excluded.millitokens
)
insert into usage_minute as m (stream, epoch, minute, status, account, frames, millitokens)
select * from line
on conflict (stream, epoch, minute, status) do update
set frames = m.frames + excluded.frames, millitokens = m.millitokens + excluded.millitokens;

-- name: keep_unbillable
insert into unbillable (topic, partition, "offset", reason, value, at)
select $1, $2, u."offset", u.reason, u.value, $6
from unnest($3::int8[], $4::text[], $5::bytea[]) as u ("offset", reason, value)
on conflict do nothing;
