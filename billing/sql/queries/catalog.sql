-- name: register
insert into model
    (model, version, source, size_class, task, confidence, iou, registered_at)
values ($1, $2, $3, $4, $5, $6, $7, $8)
on conflict (model) do update
set version = excluded.version, source = excluded.source, size_class = excluded.size_class,
    task = excluded.task, confidence = excluded.confidence, iou = excluded.iou,
    registered_at = excluded.registered_at;

-- name: get
select model, version, source, size_class, task, confidence, iou from model where model = $1;

-- name: list
select model, version, source, size_class, task, confidence, iou from model order by model;
