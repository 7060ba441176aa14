-- name: lock
select pg_advisory_xact_lock($1);

-- name: add
insert into tariff (version, starts_at, document, created_at) values ($1, $2, $3::jsonb, $4);

-- name: get
select document::text from tariff where version = $1;

-- name: list
select document::text from tariff order by starts_at;

-- name: in_force
select document::text from tariff where starts_at <= $1 order by starts_at desc limit 1;

-- name: from
select document::text from tariff
where starts_at >= coalesce(
    (select max(starts_at) from tariff where starts_at <= $1), '-infinity'::timestamptz)
order by starts_at;

-- name: plans_in_use
select distinct plan from account order by plan;

-- name: plan
select plan from account where account = $1;

-- name: set_plan
update account set plan = $2 where account = $1;
