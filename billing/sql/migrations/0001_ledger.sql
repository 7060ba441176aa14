-- The ledger: accounts, contracts, coverage, money, and where the biller stands.
-- All amounts are millitokens. Frame numbers and amounts are exact 64-bit integers.

create table account (
    account text primary key,
    created_at timestamptz not null
);

create table api_key (
    key_id text primary key,
    account text references account,            -- null: an operator, who may act for anyone
    secret_sha256 bytea not null,
    scopes text[] not null,
    created_at timestamptz not null,
    revoked_at timestamptz
);

create table model (
    model text primary key,
    version text not null,
    source text not null,
    size_class text not null,
    task text not null,
    confidence double precision not null,
    iou double precision not null,
    registered_at timestamptz not null
);

create table stream (
    stream text primary key,
    account text not null references account
);

create table session (
    stream text not null references stream,
    epoch bigint not null,
    account text not null references account,
    model text not null,
    task text not null,
    height integer not null,
    width integer not null,
    tier text not null,
    unit_price bigint not null check (unit_price > 0),
    tariff text not null,
    state text not null check (state in ('open', 'closing', 'settled', 'expired')),
    opened_at timestamptz not null,
    expires_at timestamptz not null,
    closed_at timestamptz,
    close_reason text,
    last_seq bigint check (last_seq >= -1),     -- null: nobody said where the session ends
    in_doubt bigint not null default 0 check (in_doubt >= 0),
    granted_frames bigint not null check (granted_frames >= 0),
    held_frames bigint not null check (held_frames >= 0),
    published bigint not null default 0 check (published >= 0),
    captured bigint not null default 0 check (captured >= 0),
    covered int8multirange not null default '{}',
    charged_frames bigint not null default 0 check (charged_frames >= 0),
    primary key (stream, epoch),
    check (state in ('open', 'closing') or held_frames = 0)
);
create index session_unsettled on session (expires_at) where state in ('open', 'closing');
create index session_account on session (account, stream, epoch);

create table usage_minute (
    stream text not null,
    epoch bigint not null,
    minute timestamptz not null,
    status text not null,
    account text not null,
    frames bigint not null check (frames > 0),
    millitokens bigint not null check (millitokens >= 0),
    primary key (stream, epoch, minute, status)
);
create index usage_minute_account on usage_minute (account, minute);

create table balance (
    account text primary key references account,
    available bigint not null default 0 check (available >= 0),
    held bigint not null default 0 check (held >= 0),
    receivable bigint not null default 0 check (receivable >= 0),
    version bigint not null default 1
);

create table transfer (
    id bigint generated always as identity primary key,
    at timestamptz not null,
    kind text not null check (kind in ('topup', 'grant', 'charge', 'release', 'adjust')),
    debit text not null,
    credit text not null,
    amount bigint not null check (amount > 0),
    reference text not null,
    account text not null,
    check (debit <> credit),
    unique (account, kind, reference, debit)    -- a repeat cannot be written twice
);
create index transfer_account on transfer (account, id desc);

create table consumer_position (
    topic text not null,
    partition integer not null,
    owner_epoch bigint not null default 0,
    owner text not null default '',
    next_offset bigint not null default 0 check (next_offset >= 0),
    watermark_at timestamptz,                   -- up to when the partition had been read to its end
    primary key (topic, partition)
);

create table outbox (
    id bigint generated always as identity primary key,
    account text not null,
    version bigint not null,
    available bigint not null,
    held bigint not null,
    receivable bigint not null
);

create table unbillable (
    topic text not null,
    partition integer not null,
    "offset" bigint not null,
    reason text not null,
    value bytea,
    at timestamptz not null,
    primary key (topic, partition, "offset")
);

create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'table % is append-only: write a new row that corrects the old one',
        tg_table_name using errcode = 'restrict_violation';
end $$;

create trigger transfer_rows_stay before update or delete on transfer
    for each row execute function refuse_change();
create trigger transfer_table_stays before truncate on transfer
    for each statement execute function refuse_change();

-- Whoever changes a balance tells the outside in the same transaction, without having to know.
create function next_balance_version() returns trigger language plpgsql as $$
begin
    new.version := old.version + 1;
    return new;
end $$;

create function tell_balance() returns trigger language plpgsql as $$
begin
    insert into outbox (account, version, available, held, receivable)
    values (new.account, new.version, new.available, new.held, new.receivable);
    return null;
end $$;

create trigger balance_version before update on balance
    for each row execute function next_balance_version();
create trigger balance_news after insert or update on balance
    for each row execute function tell_balance();

-- How many frames a set of frame numbers holds.
create function frame_count(frames int8multirange) returns bigint
    language sql immutable parallel safe
    return (select coalesce(sum(upper(part) - lower(part)), 0)::bigint
            from unnest(frames) as part);
