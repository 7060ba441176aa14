-- Tariffs are data: dated versions, plans of accounts, and corrections of what was charged.

create table tariff (
    version text primary key,
    starts_at timestamptz not null unique,
    document jsonb not null,                            -- billing/tariff.py says what is in it
    created_at timestamptz not null
);
create trigger tariff_rows_stay before update or delete on tariff
    for each row execute function refuse_change();
create trigger tariff_table_stays before truncate on tariff
    for each statement execute function refuse_change();

alter table account add column plan text not null default 'standard';

-- The rest of a session's price contract: the account's plan and how many images come at once.
alter table session add column plan text not null default 'standard';
alter table session add column batch_images integer not null default 1 check (batch_images >= 1);

-- A re-rating of a period; its lines say what each session's hour was corrected by.
create table rerating (
    rerating text primary key,
    account text not null references account,
    tariff text not null references tariff,
    starts_at timestamptz not null,
    ends_at timestamptz not null check (ends_at > starts_at),
    millitokens bigint not null,                        -- below zero: paid back
    reason text not null,
    at timestamptz not null
);
create table rerating_line (
    rerating text not null references rerating,
    stream text not null,
    epoch bigint not null,
    hour timestamptz not null,
    account text not null,
    frames bigint not null,
    millitokens bigint not null check (millitokens <> 0),
    primary key (rerating, stream, epoch, hour)
);
create index rerating_line_account on rerating_line (account, hour);
create trigger rerating_rows_stay before update or delete on rerating
    for each row execute function refuse_change();
create trigger rerating_line_rows_stay before update or delete on rerating_line
    for each row execute function refuse_change();
