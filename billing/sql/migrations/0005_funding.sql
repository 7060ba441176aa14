-- Funding to the end: what a stream does while billing is away, and who is told of a low balance.

alter table account add column when_unreachable text not null default 'finish'
    check (when_unreachable in ('stop', 'finish'));

-- An account is told once when what is available falls below a threshold; it is told again only
-- after the balance was at or above it in between.
create table alert (
    account text not null references account,
    threshold bigint not null check (threshold > 0),    -- millitokens
    is_low boolean not null default false,
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
    id bigint generated always as identity primary key,
    account text not null,
    threshold bigint not null,
    version bigint not null,
    available bigint not null,
    held bigint not null,
    at timestamptz not null,
    published_at timestamptz,                           -- when the topic `balances` had it
    delivered_at timestamptz,                           -- when the webhook had it, or was given up
    attempts integer not null default 0,
    next_attempt_at timestamptz,
    last_error text,
    unique (account, threshold, version)
);
