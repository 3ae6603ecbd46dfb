-- The release these functions belong to.

do $$
begin
    -- pg_catalog has a version() too, and is searched before any schema.
    perform set_config('ectojob.replaced', '', true);
    if to_regprocedure(format('%I.version()', current_schema())) is not null then
        execute format('select set_config(''ectojob.replaced'', %I.version(), true)', current_schema());
    end if;
end
$$;

create or replace function version()
returns text
language plpgsql
immutable
parallel safe
security definer
set search_path from current
as $$
begin
    return '0.2.0';
end
$$;

do $$
declare
    v_replaced constant text := current_setting('ectojob.replaced');
    v_release text;
begin
    execute format('select %I.version()', current_schema()) into v_release;
    execute format(
        'comment on function %I.version() is %L', current_schema(),
        'The release of ectojob these functions belong to.'
    );

    -- Workers of a newer release would stop, and what its migrations have changed these functions don't know.
    if string_to_array(substring(v_replaced from '^[0-9]+[.][0-9]+'), '.')::integer[]
        > string_to_array(substring(v_release from '^[0-9]+[.][0-9]+'), '.')::integer[]
    then
        raise object_not_in_prerequisite_state using
            message = format('schema %I has ectojob %s, and this is %s', current_schema(), v_replaced, v_release),
            hint = format(
                'Deploy %s or later. There is no way back with the jobs, and no need for one: functions serve workers '
                'of the release before theirs, too.', v_replaced
            );
    end if;
end
$$;
