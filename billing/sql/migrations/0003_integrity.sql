-- Integrity: transfers are sealed by a hash chain, what is append-only stays so, and old months are
-- let go only by functions that keep what the books need. Who may do what: sql/grants.sql.

create table transfer_seal (
    position bigint primary key check (position > 0),   -- 1, 2, 3 ... without holes
    transfer bigint not null unique,
    at timestamptz not null,                            -- the transfer's, to find its month
    xid xid8 not null,                                  -- the transfer's, to go on behind it
    hash bytea not null check (length(hash) = 32)       -- billing/sealer.py says of what
);
create index transfer_seal_at on transfer_seal (at, position);
create trigger transfer_seal_rows_stay before update or delete on transfer_seal
    for each row execute function refuse_change();
create trigger transfer_seal_table_stays before truncate on transfer_seal
    for each statement execute function refuse_change();

create trigger topup_rows_stay before update or delete on topup
    for each row execute function refuse_change();
create trigger topup_table_stays before truncate on topup
    for each statement execute function refuse_change();

-- What the transfers of months that are gone add up to.
create table transfer_carried (
    account text not null,
    kind text not null,
    debit text not null,
    credit text not null,
    amount numeric not null check (amount > 0),
    transfers bigint not null check (transfers > 0),
    primary key (account, kind, debit, credit)
);
create trigger transfer_carried_table_stays before truncate on transfer_carried
    for each statement execute function refuse_change();

-- Until when months are gone, and which seals are those of transfers that went with them.
create table retention (
    relation text primary key check (relation in ('transfer', 'usage_minute')),
    dropped_before timestamptz not null,
    last_position bigint not null default 0     -- no dropped transfer has a higher position
);

-- Every sum of transfers that ever were, by account, kind and sides.
create view transfer_total as
select account, kind, debit, credit, sum(amount) as amount, sum(transfers)::bigint as transfers
from (
    select account, kind, debit, credit, sum(amount) as amount, count(*) as transfers
    from transfer group by account, kind, debit, credit
    union all
    select account, kind, debit, credit, amount, transfers from transfer_carried
) as parts
group by account, kind, debit, credit;

-- Refuse what is no beginning of a month, and the month that runs.
create function check_month(before timestamptz) returns void
    language plpgsql set search_path from current as $$
begin
    if before is distinct from month_of(before) or before > month_of(now()) then
        raise exception '% is not the beginning of a month that has begun', before
            using errcode = 'invalid_parameter_value';
    end if;
end $$;

-- Lock against writers what holds a relation's rows of before a moment: the months that end by
-- then, and the default partition. Returns the months.
create function lock_months(parent text, before timestamptz) returns regclass[]
    language plpgsql set search_path from current as $$
declare
    leaf regclass;
    months regclass[];
begin
    perform pg_advisory_xact_lock(x'66726d65746d6f6e'::bit(64)::bigint);    -- as in make_months
    select coalesce(array_agg(c.oid::regclass order by c.relname), '{}') into months
    from pg_inherits as i join pg_class as c on c.oid = i.inhrelid
    where i.inhparent = parent::regclass and c.relname ~ '_[0-9]{4}_[0-9]{2}$'
        and (to_date(right(c.relname, 7), 'YYYY_MM') + interval '1 month') at time zone 'UTC'
            <= before;
    foreach leaf in array months || (parent || '_other')::regclass loop
        execute format('lock table %s in share row exclusive mode', leaf);
    end loop;
    return months;
end $$;

-- Let go of the minutes of before a month; usage_hour keeps their sums. Returns how many months.
create function drop_usage_minutes(before timestamptz) returns integer
    language plpgsql security definer set search_path from current as $$
declare
    months regclass[];
    leaf regclass;
begin
    perform check_month(before);
    months := lock_months('usage_minute', before);
    if months = '{}' and not exists (select from usage_minute where minute < before) then
        return 0;
    end if;
    if exists (
        select from (
            select stream, epoch, date_trunc('hour', minute, 'UTC') as hour, status,
                sum(frames) as frames, sum(millitokens) as millitokens
            from usage_minute
            where minute < before and minute >= coalesce(
                (select dropped_before from retention where relation = 'usage_minute'), '-infinity')
            group by 1, 2, 3, 4
        ) as m left join usage_hour as h using (stream, epoch, hour, status)
        where h.frames is distinct from m.frames or h.millitokens is distinct from m.millitokens
    ) then
        raise exception 'usage_hour does not bear out minutes of before %: see the audit', before
            using errcode = 'object_not_in_prerequisite_state';
    end if;
    insert into retention as r (relation, dropped_before) values ('usage_minute', before)
    on conflict (relation) do update
    set dropped_before = greatest(r.dropped_before, excluded.dropped_before);
    foreach leaf in array months loop
        execute format('drop table %s', leaf);
    end loop;
    delete from usage_minute where minute < before;
    return cardinality(months);
end $$;

-- Let go of the transfers of before a month, all of which must be sealed. Their sums are carried,
-- and the seal before the first that is kept stays as the chain's anchor. Returns how many months.
create function drop_transfers(before timestamptz) returns integer
    language plpgsql security definer set search_path from current as $$
declare
    months regclass[];
    leaf regclass;
    first_kept bigint;
begin
    perform check_month(before);
    months := lock_months('transfer', before);
    if months = '{}' and not exists (select from transfer where at < before) then
        return 0;
    end if;
    if exists (select from transfer as t where t.at < before
               and not exists (select from transfer_seal as s where s.transfer = t.id)) then
        raise exception 'transfers of before % are not sealed yet: let a biller run', before
            using errcode = 'object_not_in_prerequisite_state';
    end if;
    insert into transfer_carried as c (account, kind, debit, credit, amount, transfers)
    select account, kind, debit, credit, sum(amount), count(*)
    from transfer where at < before group by account, kind, debit, credit
    on conflict (account, kind, debit, credit) do update
    set amount = c.amount + excluded.amount, transfers = c.transfers + excluded.transfers;
    insert into retention as r (relation, dropped_before, last_position)
    select 'transfer', before, coalesce(max(position), 0) from transfer_seal where at < before
    on conflict (relation) do update
    set dropped_before = greatest(r.dropped_before, excluded.dropped_before),
        last_position = greatest(r.last_position, excluded.last_position);
    foreach leaf in array months loop
        execute format('drop table %s', leaf);
    end loop;
    alter table transfer_other disable trigger transfer_rows_stay;
    delete from transfer_other where at < before;
    alter table transfer_other enable trigger transfer_rows_stay;
    select min(position) into first_kept from transfer_seal where at >= before;
    if first_kept is null then
        select max(position) + 1 into first_kept from transfer_seal;
    end if;
    alter table transfer_seal disable trigger transfer_seal_rows_stay;
    delete from transfer_seal where position < first_kept - 1;
    alter table transfer_seal enable trigger transfer_seal_rows_stay;
    return cardinality(months);
end $$;
