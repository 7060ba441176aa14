-- Funding to the end: what a stream does while billing is away, and who is told of a low balance.

alter table account add column when_unreachable text not null default 'finish'
    check (when_unreachable in ('stop', 'finish'));

-- A renewal and a batch of usage change no column that is indexed, so that they write no index: the
-- sessions that live are few, and the janitor looks at all of them.
drop index session_unsettled;
create index session_living on session (account) where state in ('open', 'closing');
alter table session set (fillfactor = 80);

-- An account is told once when what is left to it (available and held: a grant only moves tokens
-- between the two) falls below a threshold; again only after it was at or above it in between.
create table alert (
    account text not null references account,
    threshold bigint not null check (threshold > 0),    -- millitokens
    is_low boolean not null,
    primary key (account, threshold)
);
create table webhook (
    account text primary key references account,
    url text not null,
    secret bytea not null,                              -- signs deliveries; shown once
    created_at timestamptz not null
);
-- Written by trigger with the balance that crossed the threshold, in its transaction.
create table alert_event (
    id bigint generated always as identity primary key, -- per account in the order of versions
    account text not null,
    threshold bigint not null,
    version bigint not null,
    available bigint not null,
    held bigint not null,
    at timestamptz not null,
    published_at timestamptz,                           -- when the topic `balances` had it
    attempts integer not null default 0,                -- of its webhook, which there may not be
    next_attempt_at timestamptz,                        -- null: nothing more to deliver
    delivered_at timestamptz,
    given_up_at timestamptz,
    last_error text,
    unique (account, threshold, version)
);
create index alert_event_unpublished on alert_event (id) where published_at is null;
create index alert_event_due on alert_event (next_attempt_at) where next_attempt_at is not null;

-- Balances are locked when thresholds or webhooks are set, so what is read here is up to date.
create function tell_low_balance() returns trigger language plpgsql as $$
declare
    remaining constant bigint := new.available + new.held;
begin
    if not exists (
        select from alert
        where account = new.account and is_low <> (remaining < threshold)
    ) then
        return null;
    end if;
    with crossed as (
        update alert set is_low = not is_low
        where account = new.account and is_low <> (remaining < threshold)
        returning threshold, is_low
    )
    insert into alert_event (account, threshold, version, available, held, at, next_attempt_at)
    select new.account, c.threshold, new.version, new.available, new.held, now(),
        (select now() from webhook as w where w.account = new.account)
    from crossed as c
    where c.is_low
    order by c.threshold desc;
    return null;
end $$;

-- Grants and releases leave the sum as it is and do not even call the function.
create trigger balance_alert after update on balance
    for each row when (new.available + new.held <> old.available + old.held)
    execute function tell_low_balance();
