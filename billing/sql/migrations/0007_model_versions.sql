-- A model has versions: which are known, which one is active, which one is tried beside it, and
-- what was active before. Size class and task belong to the model: prices follow from them.

create table model_version (
    model text not null references model,
    version text not null,
    source text not null,
    sha256 text not null,                       -- of the weights; '': not known beforehand
    confidence double precision not null,
    iou double precision not null,
    classes text[],                             -- by class id; null: nobody here has loaded it
    note text not null,
    refused text,                               -- why it can never be active; null: it can
    added_at timestamptz not null,
    primary key (model, version)
);
insert into model_version (model, version, source, sha256, confidence, iou, note, added_at)
select model, version, source, '', confidence, iou, '', registered_at from model;

create table model_activation (
    id bigint generated always as identity primary key,
    model text not null,
    version text not null,
    replaced text,                              -- what was active before; null: nothing
    is_rollback boolean not null,
    at timestamptz not null
);
create index model_activation_model on model_activation (model, id);
insert into model_activation (model, version, is_rollback, at)
select model, version, false, registered_at from model;

alter table model rename column version to active;
alter table model alter column active drop not null;    -- null: no version may run yet
alter table model drop column source;
alter table model drop column confidence;
alter table model drop column iou;
alter table model add column canary text check (canary <> active);
alter table model add column canary_percent integer check (canary_percent between 1 and 99);
alter table model add check ((canary is null) = (canary_percent is null));
alter table model add foreign key (model, active) references model_version (model, version);
alter table model add foreign key (model, canary) references model_version (model, version);

-- How often a model has changed, and up to which change the topic `models` knows. A removed model
-- stays here, so that its tombstone is not forgotten.
create table model_publication (
    model text primary key,
    revision bigint not null,
    published bigint not null
);
insert into model_publication (model, revision, published) select model, 1, 1 from model;
