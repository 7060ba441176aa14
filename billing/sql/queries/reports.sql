-- name: usage
select
    case when 'stream' = any($4::text[]) then u.stream end as stream,
    case when 'model' = any($4::text[]) then s.model end as model,
    case when 'status' = any($4::text[]) then u.status end as status,
    case when 'hour' = any($4::text[]) then date_trunc('hour', u.minute, 'UTC')
         when 'day' = any($4::text[]) then date_trunc('day', u.minute, 'UTC') end as start,
    sum(u.frames)::int8 as frames,
    sum(u.millitokens)::int8 as millitokens
from usage_minute as u join session as s using (stream, epoch)
where u.account = $1 and s.account = $1 and u.minute >= $2 and u.minute < $3
group by 1, 2, 3, 4
order by start nulls first, stream nulls first, model nulls first, status nulls first;

-- name: ledger
select id, at, kind, debit, credit, amount, reference, account from transfer
where account = $1 and ($2::int8 is null or id < $2)
order by id desc
limit $3;

-- name: stream_bill
with by_status as (
    select stream, status, sum(frames)::int8 as frames, sum(millitokens)::int8 as millitokens
    from usage_minute where account = $1 group by stream, status
)
select s.stream, least(sum(s.captured), 9223372036854775807)::int8 as captured,
    least(sum(greatest(s.published, s.last_seq + 1, upper(s.covered))), 9223372036854775807)::int8
        as published,
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
