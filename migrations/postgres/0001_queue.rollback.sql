-- In one statement, as 0002_job.rollback.sql.

do $$
begin
    delete from migration
    where migration.id = '0001_queue';

    if not found then
        raise object_not_in_prerequisite_state using
            message = format('schema %I has no migration 0001_queue', current_schema()),
            hint = 'Its schema comes first in search_path: PGOPTIONS=''-c search_path=jobs,pg_temp''.';
    end if;

    drop table queue;
    drop table migration;
end
$$;
