-- name: first_position
-- A later moment never has a lower position, so days made of these leave no gap.
select coalesce(min(position), (select coalesce(max(position), 0) + 1 from transfer_seal))
from transfer_seal where at >= $1;

-- name: seals
select s.position, s.transfer, s.at, s.hash,
    (select p.hash from transfer_seal as p where p.position = s.position - 1) as previous
from transfer_seal as s
where position >= $1 and position < $2
order by position
limit $3;

-- name: unsealed
select count(*) from transfer as t
where at >= $1 and at < $2
    and not exists (select from transfer_seal as s where s.transfer = t.id);

-- name: minutes
select account, stream, epoch, minute, status, frames, millitokens from usage_minute
where minute >= $1 and minute < $2 and ($3::text is null or account = $3)
order by stream, epoch, minute, status;

-- name: minutes_dropped
select dropped_before from retention where relation = 'usage_minute';

-- name: seals_at
select position, hash from transfer_seal where position = any($1::int8[]);

-- name: head
select coalesce(max(position), 0) from transfer_seal;
