-- name: patience
select set_config('lock_timeout', $1, true);

-- name: make_months
select make_months($1, $2);

-- name: has_transfers_before
select exists (select from transfer where at < $1);

-- name: drop_usage_minutes
select drop_usage_minutes($1);

-- name: drop_transfers
select drop_transfers($1);
