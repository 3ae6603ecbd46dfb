-- Which relation "schema.name" means.

create or replace function ectojob_relation(
    relation text
)
returns text[]
language plpgsql
immutable
parallel safe
security invoker
set search_path from current
as $$
declare
    v_parts text[];
begin
    begin
        v_parts := parse_ident(ectojob_relation.relation);
    exception
        when invalid_parameter_value then null;
    end;

    if cardinality(v_parts) is distinct from 2 or octet_length(v_parts[2]) > 53 then
        raise invalid_parameter_value using
            message = format('%s does not name a relation for EctoJob', quote_nullable(ectojob_relation.relation)),
            hint = 'Write schema.name, such as public.jobs; the name, which is a channel, too, has at most 53 bytes.';
    end if;
    return v_parts;
end
$$;

comment on function ectojob_relation is
    'Internal. schema.name in its two parts, or 22023.';
