-- name: get
select m.model, m.size_class, m.task, m.canary_percent, a.version, a.source, a.sha256,
    a.confidence, a.iou, c.version as canary_version, c.source as canary_source,
    c.sha256 as canary_sha256, c.confidence as canary_confidence, c.iou as canary_iou
from model as m
    join model_version as a on a.model = m.model and a.version = m.active
    left join model_version as c on c.model = m.model and c.version = m.canary
where m.model = $1;

-- name: list
select m.model, m.size_class, m.task, m.canary_percent, a.version, a.source, a.sha256,
    a.confidence, a.iou, c.version as canary_version, c.source as canary_source,
    c.sha256 as canary_sha256, c.confidence as canary_confidence, c.iou as canary_iou
from model as m
    join model_version as a on a.model = m.model and a.version = m.active
    left join model_version as c on c.model = m.model and c.version = m.canary
order by m.model;

-- name: models
select model, size_class, task, active, canary, canary_percent from model
where $1::text is null or model = $1 order by model;

-- name: versions
select v.model, v.version, v.source, v.sha256, v.confidence, v.iou, v.classes, v.note, v.refused,
    v.added_at, (select max(at) from model_activation as a
                 where a.model = v.model and a.version = v.version) as activated_at
from model_version as v
where $1::text is null or v.model = $1 order by v.model, v.added_at, v.version;

-- name: ensure_model
insert into model (model, size_class, task, registered_at) values ($1, $2, $3, $4)
on conflict (model) do nothing;

-- name: lock_model
select model, size_class, task, active, canary, canary_percent from model
where model = $1 for update;

-- name: has_been_active
select exists (select from model_activation where model = $1);

-- name: set_terms
update model set size_class = $2, task = $3 where model = $1;

-- name: version
select model, version, source, sha256, confidence, iou, classes, note, refused, added_at,
    null::timestamptz as activated_at
from model_version where model = $1 and version = $2;

-- name: count_versions
select count(*) from model_version where model = $1;

-- name: put_version
insert into model_version
    (model, version, source, sha256, confidence, iou, note, classes, refused, added_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
on conflict (model, version) do update
set source = excluded.source, sha256 = excluded.sha256, confidence = excluded.confidence,
    iou = excluded.iou, note = excluded.note, classes = excluded.classes,
    refused = excluded.refused;

-- name: set_active
update model set active = $2, canary = case when canary <> $2 then canary end,
    canary_percent = case when canary <> $2 then canary_percent end
where model = $1;

-- name: note_activation
insert into model_activation (model, version, replaced, is_rollback, at)
values ($1, $2, $3, $4, $5);

-- name: trim_activations
delete from model_activation where model = $1 and id < (
    select id from model_activation where model = $1 order by id desc offset $2 limit 1);

-- name: replaced_by
select replaced from model_activation
where model = $1 and version = $2 and not is_rollback order by id desc limit 1;

-- name: former
select v.version, v.source, v.sha256, v.confidence, v.iou
from model_activation as a
    join model_version as v on v.model = a.model and v.version = a.replaced
where a.model = $1 and a.version = $2 and not a.is_rollback and v.refused is null
order by a.id desc limit 1;

-- name: set_canary
update model set canary = $2, canary_percent = $3 where model = $1;

-- name: remove_version
delete from model_version where model = $1 and version = $2;

-- name: open_sessions
select count(*) from session where state in ('open', 'closing') and model = $1;

-- name: clear
update model set active = null, canary = null, canary_percent = null where model = $1;

-- name: remove_versions
delete from model_version where model = $1;

-- name: remove_activations
delete from model_activation where model = $1;

-- name: remove_model
delete from model where model = $1;

-- name: touch
insert into model_publication (model, revision, published) values ($1, 1, 0)
on conflict (model) do update set revision = model_publication.revision + 1;

-- name: touch_all
update model_publication set revision = revision + 1;

-- name: unpublished
select model, revision from model_publication where published < revision order by model for update;

-- name: published
update model_publication set published = $2 where model = $1;
