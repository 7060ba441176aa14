-- name: sort_in_memory
set local work_mem = '64MB';

-- name: lost_hours
select hour from unnest($2::timestamptz[]) as torn (hour)
where (select sum(h.frames) from usage_hour as h where h.account = $1 and h.hour = torn.hour)
    is distinct from
    (select sum(m.frames) from usage_minute as m
     where m.account = $1 and m.minute >= torn.hour and m.minute < torn.hour + interval '1 hour')
order by hour;

-- name: usage
with used as (
    select stream, epoch, status, hour as start, frames, millitokens, 0::int8 as adjusted
    from usage_hour where account = $1 and hour >= $4 and hour < $5
    union all
    select stream, epoch, status, date_trunc('hour', minute, 'UTC'), frames, millitokens, 0
    from usage_minute
    where account = $1 and (minute >= $6 and minute < $7 or minute >= $8 and minute < $9)
    union all
    select stream, epoch, 'detected', hour, 0, 0, millitokens
    from rerating_line where account = $1 and hour >= $2 and hour < $3
)
select
    case when 'stream' = any($10::text[]) then u.stream end as stream,
    case when 'model' = any($10::text[]) then s.model end as model,
    case when 'status' = any($10::text[]) then u.status end as status,
    case when 'tier' = any($10::text[]) then s.tier end as tier,
    case when 'hour' = any($10::text[]) then u.start
         when 'day' = any($10::text[]) then date_trunc('day', u.start, 'UTC') end as start,
    case when 'contract' = any($10::text[]) then s.height end as height,
    case when 'contract' = any($10::text[]) then s.width end as width,
    case when 'contract' = any($10::text[]) then s.unit_price end as unit_price,
    case when 'contract' = any($10::text[]) then s.tariff end as tariff,
    sum(u.frames)::int8 as frames,
    sum(u.millitokens)::int8 as millitokens,
    sum(u.adjusted)::int8 as adjusted
from used as u join session as s using (stream, epoch)
where s.account = $1
group by 1, 2, 3, 4, 5, 6, 7, 8, 9
order by start nulls first, stream nulls first, model nulls first, tier nulls first,
    height, width, unit_price, tariff, status nulls first;

-- name: ledger
select id, at, kind, debit, credit, amount, reference, account from transfer
where account = $1 and ($2::int8 is null or id < $2)
order by id desc
limit $3;

-- name: stream_bill
with by_status as (
    select stream, status, sum(frames)::int8 as frames, sum(millitokens)::int8 as millitokens
    from usage_hour where account = $1 group by stream, status
)
select s.stream, least(sum(s.captured), 9223372036854775807)::int8 as captured,
    -- A renewal also counts frames that were never answered; where a session ended is known better.
    least(
        sum(greatest(coalesce(s.last_seq + 1, s.published), upper(s.covered))), 9223372036854775807
    )::int8 as published,
    least(sum(s.still), 9223372036854775807)::int8 as still,
    array_agg(distinct s.unit_price order by s.unit_price) as unit_prices,
    array(select status from by_status as b where b.stream = s.stream order by status)
        as statuses,
    array(select frames from by_status as b where b.stream = s.stream order by status)
        as frames,
    coalesce((select sum(millitokens) from by_status as b where b.stream = s.stream), 0)::int8
        as charged
from session as s
where s.account = $1
group by s.stream
order by s.stream;
