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
    return '0.1.0';
end
$$;

comment on function version is
    'The release of ectojob these functions belong to.';
