-- Integrity: transfers are sealed by a hash chain, and the running processes cannot change them.

create table transfer_seal (
    position bigint primary key check (position > 0),   -- 1, 2, 3 ... without holes
    transfer bigint not null unique,
    at timestamptz not null,                            -- the transfer's, to find its month
    hash bytea not null check (length(hash) = 32)
);
