-- The release these functions belong to.

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

-- pg_catalog has a version() too, and is searched before any schema: without its own, the comment went there.
do $$
begin
    execute format(
        'comment on function %I.version() is %L', current_schema(),
        'The release of ectojob these functions belong to.'
    );
end
$$;
