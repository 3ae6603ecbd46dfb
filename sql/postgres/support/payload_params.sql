-- Bytes as params, which are a JSON object.

create or replace function payload_params(
    params anyelement
)
returns jsonb
language plpgsql
immutable
parallel safe
security invoker
set search_path from current
as $$
begin
    if pg_typeof(payload_params.params) = 'bytea'::regtype then
        -- encode breaks lines as mail does.
        return jsonb_build_object('payload', translate(encode(payload_params.params, 'base64'), e'\n', ''));
    end if;
    return payload_params.params;
end
$$;

comment on function payload_params is
    'Internal. {"payload": "<base64>"} for a bytea; jsonb comes back as it is, so that one trigger serves EctoJob''s '
    'params as a map and as binary.';
