-- A session whose pictures are cut into tiles: what its price was multiplied with.

alter table session add column slices text check (slices <> ''); -- RxCxO; null: whole
