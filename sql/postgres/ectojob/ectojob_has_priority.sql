-- Whether a table of EctoJob's is of version 3.

create or replace function ectojob_has_priority(
    relation regclass
)
returns boolean
language plpgsql
stable
parallel unsafe
security invoker
set search_path from current
as $$
begin
    return exists (
        select from pg_attribute
        where pg_attribute.attrelid = ectojob_has_priority.relation
            and pg_attribute.attname = 'priority'
            and not pg_attribute.attisdropped
    );
end
$$;

comment on function ectojob_has_priority is
    'Internal. True for version 3, made so or upgraded; false for versions 1 and 2.';
