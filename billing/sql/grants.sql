-- Who may do what. Run at the end of every migration; it writes only where something differs, so
-- that the tables of later migrations get their grants and a restored database gets its roles.
--
-- framemeter_service: what the processes run as. It cannot change or remove what is append-only.
-- framemeter_auditor: reads everything but secrets (columns whose names begin with `secret`).
-- Nobody but the owner reaches a month's partition by its own name.

do $$
declare
    role_name text;
begin
    foreach role_name in array array['framemeter_service', 'framemeter_auditor'] loop
        if not exists (select from pg_roles where rolname = role_name) then
            begin
                execute format('create role %I nologin', role_name);
            exception when duplicate_object or unique_violation then
                null;   -- roles belong to the whole server: another database's migration made it
            end;
        end if;
        -- Whoever makes a role may give it away, but does not have it yet.
        if pg_has_role(current_user, role_name, 'member with admin option')
            and not pg_has_role(current_user, role_name, 'set') then
            execute format('grant %I to %I', role_name, current_user);
        end if;
        if not has_schema_privilege(role_name, current_schema(), 'usage') then
            execute format('grant usage on schema %I to %I', current_schema(), role_name);
        end if;
    end loop;
end $$;

do $$
declare
    item record;
begin
    for item in
        select c.oid, r.name as role_name,
            case
                when c.relispartition then '{}'
                when r.name = 'framemeter_auditor' then
                    case when exists (select from pg_attribute as a where a.attrelid = c.oid
                                      and a.attnum > 0 and a.attname like 'secret%')
                         then '{}' else '{select}' end
                when c.relkind = 'v'
                    or c.relname in ('alembic_version', 'transfer_carried', 'retention')
                    then '{select}'
                when c.relname in ('transfer', 'transfer_seal', 'topup', 'tariff', 'rerating',
                                   'rerating_line')
                    then '{select,insert}'
                when c.relname = 'model_activation' then '{select,insert,delete}'
                else '{select,insert,update,delete}'
            end::text[] as wanted
        from pg_class as c,
            (values ('framemeter_service'), ('framemeter_auditor')) as r (name)
        where c.relnamespace = current_schema()::regnamespace and c.relkind in ('r', 'p', 'v')
        order by c.oid
    loop
        continue when (
            select bool_and(has_table_privilege(item.role_name, item.oid, privilege)
                            = (privilege = any(item.wanted)))
            from unnest(array['select', 'insert', 'update', 'delete', 'truncate', 'references',
                              'trigger']) as privilege);
        execute format('revoke all on %s from %I', item.oid::regclass, item.role_name);
        if item.wanted <> '{}' then
            execute format('grant %s on %s to %I', array_to_string(item.wanted, ', '),
                           item.oid::regclass, item.role_name);
        end if;
    end loop;
end $$;

-- Tables with a secret: the auditor reads their other columns.
do $$
declare
    item record;
begin
    for item in
        select a.attrelid as oid,
            string_agg(quote_ident(a.attname), ', ') filter (where a.attname not like 'secret%')
                as open_columns,
            bool_and(has_column_privilege('framemeter_auditor', a.attrelid, a.attnum, 'select')
                     = (a.attname not like 'secret%')) as is_right
        from pg_attribute as a join pg_class as c on c.oid = a.attrelid
        where c.relnamespace = current_schema()::regnamespace and c.relkind in ('r', 'p')
            and a.attnum > 0 and not a.attisdropped
        group by a.attrelid
        having bool_or(a.attname like 'secret%')
    loop
        continue when item.is_right;
        execute format('revoke all on %s from framemeter_auditor', item.oid::regclass);
        execute format('grant select (%s) on %s to framemeter_auditor', item.open_columns,
                       item.oid::regclass);
    end loop;
end $$;

-- Numbers for new rows, and the functions that act with their owner's rights.
do $$
declare
    item record;
begin
    for item in
        select oid from pg_class
        where relnamespace = current_schema()::regnamespace
            and case when relkind = 'S'
                then not has_sequence_privilege('framemeter_service', oid, 'usage') end
    loop
        execute format('grant usage on sequence %s to framemeter_service', item.oid::regclass);
    end loop;
    for item in
        select oid::regprocedure as name from pg_proc
        where pronamespace = current_schema()::regnamespace and prosecdef
            and (has_function_privilege('public', oid, 'execute')
                 or not has_function_privilege('framemeter_service', oid, 'execute'))
    loop
        execute format('revoke all on function %s from public', item.name);
        execute format('grant execute on function %s to framemeter_service', item.name);
    end loop;
end $$;
