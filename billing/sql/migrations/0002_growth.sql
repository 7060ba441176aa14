-- Growth: transfers and usage by month, so that old months can be dropped, and sums by the hour, so
-- that a report of a month reads thousands of rows and not millions.

drop trigger transfer_rows_stay on transfer;
drop trigger transfer_table_stays on transfer;
alter table transfer rename to transfer_before;
alter table transfer_before drop constraint transfer_pkey;
drop index transfer_account;

create sequence transfer_id as bigint;
create table transfer (
    id bigint not null default nextval('transfer_id'),
    at timestamptz not null,
    kind text not null check (kind in ('topup', 'grant', 'charge', 'release', 'adjust')),
    debit text not null,
    credit text not null,
    amount bigint not null check (amount > 0),
    reference text not null,
    account text not null,
    xid xid8 not null default pg_current_xact_id(),     -- which transaction wrote it, for the seal
    check (debit <> credit),
    primary key (id, at)
) partition by range (at);
create index transfer_account on transfer (account, id desc);
create index transfer_xid on transfer (xid, id);

alter table usage_minute rename to usage_minute_before;
alter table usage_minute_before drop constraint usage_minute_pkey;
drop index usage_minute_account;
create table usage_minute (
    stream text not null,
    epoch bigint not null,
    minute timestamptz not null,
    status text not null,
    account text not null,
    frames bigint not null check (frames > 0),
    millitokens bigint not null check (millitokens >= 0),
    primary key (stream, epoch, minute, status)
) partition by range (minute);
create index usage_minute_account on usage_minute (account, minute);

-- The same sums by the hour, kept for good: written with the minutes, in the same transaction.
create table usage_hour (
    stream text not null,
    epoch bigint not null,
    hour timestamptz not null,
    status text not null,
    account text not null,
    frames bigint not null check (frames > 0),
    millitokens bigint not null check (millitokens >= 0),
    primary key (stream, epoch, hour, status)
);
create index usage_hour_account on usage_hour (account, hour);

-- A top-up's reference counts once for ever, also when its transfer's month is gone.
create table topup (
    account text not null references account,
    reference text not null,
    amount bigint not null check (amount > 0),
    primary key (account, reference)
);

create function month_of(moment timestamptz) returns timestamptz
    language sql immutable parallel safe
    return date_trunc('month', moment, 'UTC');

-- Make the partitions of `months` months, beginning with the one of `first`; say how many were new.
-- A month whose rows lie in the default partition already stays there: being late loses nothing.
create function make_months(first timestamptz, months integer) returns integer
    language plpgsql security definer set search_path from current as $$
declare
    made integer := 0;
    parent text;
    leaf text;
    begins timestamptz;
    ends timestamptz;
begin
    perform pg_advisory_xact_lock(x'66726d65746d6f6e'::bit(64)::bigint);
    for number in 0 .. months - 1 loop
        begins := (month_of(first) at time zone 'UTC' + make_interval(months => number))
            at time zone 'UTC';
        ends := (begins at time zone 'UTC' + interval '1 month') at time zone 'UTC';
        foreach parent in array array['transfer', 'usage_minute'] loop
            leaf := format('%s_%s', parent, to_char(begins at time zone 'UTC', 'YYYY_MM'));
            if to_regclass(leaf) is not null then
                continue;
            end if;
            begin
                execute format('create table %I partition of %I for values from (%L) to (%L)',
                               leaf, parent, begins, ends);
            exception when check_violation then
                continue;
            end;
            perform guard_transfers(leaf) where parent = 'transfer';
            made := made + 1;
        end loop;
    end loop;
    return made;
end $$;

-- What PostgreSQL cannot promise for all months at once is promised for each.
create function guard_transfers(leaf text) returns void
    language plpgsql set search_path from current as $$
begin
    execute format('create unique index on %I (account, kind, reference, debit)', leaf);
    execute format('create trigger transfer_table_stays before truncate on %I'
                   ' for each statement execute function refuse_change()', leaf);
end $$;

create table transfer_other partition of transfer default;
create table usage_minute_other partition of usage_minute default;
select guard_transfers('transfer_other');
create trigger transfer_rows_stay before update or delete on transfer
    for each row execute function refuse_change();
create trigger transfer_table_stays before truncate on transfer
    for each statement execute function refuse_change();

select make_months(month, 1) from (select distinct month_of(at) as month from transfer_before) as m;
select make_months(month, 1)
from (select distinct month_of(minute) as month from usage_minute_before) as m;
select make_months(now(), 3);

insert into transfer (id, at, kind, debit, credit, amount, reference, account)
select id, at, kind, debit, credit, amount, reference, account from transfer_before order by id;
select setval('transfer_id', (select coalesce(max(id), 1) from transfer),
              exists (select from transfer));
insert into usage_minute (stream, epoch, minute, status, account, frames, millitokens)
select stream, epoch, minute, status, account, frames, millitokens from usage_minute_before;
insert into usage_hour (stream, epoch, hour, status, account, frames, millitokens)
select stream, epoch, date_trunc('hour', minute, 'UTC'), status, account,
    sum(frames), sum(millitokens)
from usage_minute_before group by 1, 2, 3, 4, 5;
insert into topup (account, reference, amount)
select account, reference, amount from transfer_before where kind = 'topup';
drop table transfer_before;
drop table usage_minute_before;
