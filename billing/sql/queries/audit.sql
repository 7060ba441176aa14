-- name: trial
select
    coalesce(sum(amount) filter (where debit = 'issued'), 0)::int8 as issued,
    coalesce(sum(amount) filter (where credit = 'revenue'), 0)::int8 as revenue,
    coalesce(sum(amount) filter (where debit = 'revenue'), 0)::int8 as returned,
    (select coalesce(sum(available), 0) from balance)::int8 as available,
    (select coalesce(sum(held), 0) from balance)::int8 as held,
    (select coalesce(sum(receivable), 0) from balance)::int8 as receivable,
    coalesce(sum(transfers) filter (
        where debit not in ('issued', 'revenue', 'available/' || account, 'held/' || account,
                            'receivable/' || account)
        or credit not in ('issued', 'revenue', 'available/' || account, 'held/' || account,
                          'receivable/' || account)), 0)::int8 as strange
from transfer_total;

-- name: balances
with leg as (
    select account, credit as name, amount from transfer_total
    union all
    select account, debit, -amount from transfer_total
), summed as (
    select account,
        coalesce(sum(amount) filter (where name = 'available/' || account), 0) as available,
        coalesce(sum(amount) filter (where name = 'held/' || account), 0) as held,
        -coalesce(sum(amount) filter (where name = 'receivable/' || account), 0) as receivable
    from leg group by account
)
select account from balance as b full join summed as s using (account)
where (coalesce(b.available, 0), coalesce(b.held, 0), coalesce(b.receivable, 0))
    is distinct from
    (coalesce(s.available, 0), coalesce(s.held, 0), coalesce(s.receivable, 0))
order by account;

-- name: held
select b.account from balance as b
left join (select account, sum(held_frames * unit_price) as held from session group by account)
    as s using (account)
where b.held <> coalesce(s.held, 0)
order by b.account;

-- name: charges
select
    (select coalesce(sum(case when credit = 'revenue' then amount else -amount end), 0)
     from transfer_total where kind = 'charge')::int8 as charged,
    (select coalesce(sum(charged_frames * unit_price), 0) from session)::int8 as priced,
    (select coalesce(sum(millitokens), 0) from usage_hour)::int8 as itemised;

-- name: hours
select s.stream, s.epoch from session as s
left join (
    select stream, epoch, sum(frames) as frames, sum(millitokens) as millitokens,
        sum(frames) filter (where status = 'detected') as detected
    from usage_hour group by stream, epoch
) as h using (stream, epoch)
where coalesce(h.frames, 0) <> frame_count(s.covered)
    or coalesce(h.detected, 0) <> s.charged_frames
    or coalesce(h.millitokens, 0) <> s.charged_frames * s.unit_price
order by 1, 2;

-- name: minutes
with kept as (
    select coalesce(max(dropped_before), '-infinity') as start
    from retention where relation = 'usage_minute'
), minutes as (
    select stream, epoch, date_trunc('hour', minute, 'UTC') as hour, status, account,
        sum(frames) as frames, sum(millitokens) as millitokens
    from usage_minute where minute >= (select start from kept) group by 1, 2, 3, 4, 5
), hours as (
    select * from usage_hour where hour >= (select start from kept)
)
select distinct stream, epoch
from hours as h full join minutes as m using (stream, epoch, hour, status, account)
where h.frames is distinct from m.frames or h.millitokens is distinct from m.millitokens
order by 1, 2;

-- name: references
select account, kind, reference, debit from transfer
group by account, kind, reference, debit having count(*) > 1
union all
select account, kind, reference, debit from transfer as t
where kind = 'topup' and not exists (
    select from topup as u
    where u.account = t.account and u.reference = t.reference and u.amount = t.amount)
order by 1, 2, 3, 4
limit 100;

-- name: reratings
with line as (
    select rerating, account, sum(millitokens) as millitokens
    from rerating_line group by rerating, account
), owed as (
    select account, sum(millitokens) as millitokens from rerating_line group by account
), paid as (
    select account,
        sum(case when credit = 'revenue' then amount when debit = 'revenue' then -amount
            else 0 end) as millitokens
    from transfer_total where kind = 'adjust' group by account
)
select 'account ' || account as name from owed full join paid using (account)
where coalesce(owed.millitokens, 0) <> coalesce(paid.millitokens, 0)
union all
select 're-rating ' || rerating from rerating as r left join line as l using (rerating)
where coalesce(l.millitokens, 0) <> r.millitokens or l.account <> r.account
order by 1;

-- name: coverage
with expected as (
    select *,
        int8multirange(int8range(0,
            greatest(coalesce(last_seq, -1) + 1, coalesce(upper(covered), 0)))) as frames,
        case when last_seq is null then '{}'::int8multirange
             else int8multirange(int8range(last_seq + 1, last_seq + 1 + in_doubt))
        end as doubtful
    from session where state <> 'open'
)
select stream, epoch, state = 'closing' and closed_at >= $1 as under_way,
    frame_count(frames - doubtful - covered) as missing
from expected
where not covered @> (frames - doubtful)
order by stream, epoch;

-- name: unbillable
select reason, count(*) as events from unbillable group by reason order by reason;

-- name: positions
select partition, next_offset from consumer_position where topic = $1;

-- name: sessions
select stream, epoch, account, model, height, width, charged_frames
from session where $1::text is null or account = $1 order by stream, epoch;
