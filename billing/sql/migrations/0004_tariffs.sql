-- Tariffs are data: dated versions, plans of accounts, and corrections of what was charged.

create table tariff (
    version text primary key,
    starts_at timestamptz not null unique,
    document jsonb not null,                            -- as billing/tariff_document.py says
    created_at timestamptz not null
);
create trigger tariff_rows_stay before update or delete on tariff
    for each row execute function refuse_change();
create trigger tariff_table_stays before truncate on tariff
    for each statement execute function refuse_change();

-- The published prices (TARIFF_V1 of billing/tariff.py).
insert into tariff (version, starts_at, document, created_at)
values ('v1', '2026-01-01T00:00:00Z', '
{
  "version": "v1",
  "starts_at": "2026-01-01T00:00:00Z",
  "alpha": "1",
  "size_factors": {
    "n": "0.7",
    "s": "1",
    "m": "1.8",
    "l": "2.5",
    "x": "4"
  },
  "task_factors": {
    "detect": "1",
    "segment": "1.5",
    "pose": "1.1",
    "classify": "0.5",
    "obb": "1.1"
  },
  "tier_factors": {
    "standard": "1",
    "priority": "1.5"
  },
  "batch_discounts": [],
  "plans": {
    "standard": "1"
  },
  "unit_price_min": 10
}
', now());

alter table account add column plan text not null default 'standard';

-- The rest of a session's price contract: the account's plan, how many images come at once, and the
-- model's size class at that time (null: not known, the session is older than the column).
alter table session add column plan text not null default 'standard';
alter table session add column batch_images integer not null default 1 check (batch_images >= 1);
alter table session add column size_class text;
update session as s set size_class = m.size_class from model as m where m.model = s.model;

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
create trigger rerating_table_stays before truncate on rerating
    for each statement execute function refuse_change();
create trigger rerating_line_rows_stay before update or delete on rerating_line
    for each row execute function refuse_change();
create trigger rerating_line_table_stays before truncate on rerating_line
    for each statement execute function refuse_change();
