-- name: booked
select millitokens from rerating where rerating = $1;

-- name: used
with corrected as (
    select stream, epoch, hour, sum(millitokens)::int8 as millitokens
    from rerating_line where account = $1 and hour >= $2 and hour < $3
    group by stream, epoch, hour
)
select u.stream, u.epoch, u.hour, u.frames, u.millitokens as charged,
    coalesce(c.millitokens, 0) as corrected,
    s.size_class, s.height, s.width, s.tier, s.task, s.plan, s.batch_images, s.slices
from usage_hour as u
join session as s on s.stream = u.stream and s.epoch = u.epoch
left join corrected as c on c.stream = u.stream and c.epoch = u.epoch and c.hour = u.hour
where u.account = $1 and u.hour >= $2 and u.hour < $3 and u.status = 'detected'
order by u.hour, u.stream, u.epoch;

-- name: add
insert into rerating (rerating, account, tariff, starts_at, ends_at, millitokens, reason, at)
values ($1, $2, $3, $4, $5, $6, $7, $8);

-- name: add_lines
insert into rerating_line (rerating, account, stream, epoch, hour, frames, millitokens)
select $1, $2, stream, epoch, hour, frames, millitokens
from unnest($3::text[], $4::int8[], $5::timestamptz[], $6::int8[], $7::int8[])
    as l (stream, epoch, hour, frames, millitokens);
