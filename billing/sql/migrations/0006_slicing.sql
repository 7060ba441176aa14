-- A session whose pictures are cut into tiles: what its price was multiplied with.

alter table session add column slices text check (slices <> ''); -- RxCxO; null: whole

-- How many captured pictures were not published because nothing moved in them.

alter table session add column still bigint not null default 0 check (still >= 0);
