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
    last_position bigint not null default 0     -- of transfers: no dropped one has a higher position
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
