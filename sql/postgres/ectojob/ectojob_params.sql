-- Where a view for EctoJob has its params from.

create or replace function ectojob_params(
    type text
)
returns text
language plpgsql
immutable
parallel safe
security invoker
set search_path from current
as $$
begin
    return case ectojob_params.type
        when 'bytea' then 'decode(job.params ->> ''payload'', ''base64'')'
        else 'job.params'
    end;
end
$$;

comment on function ectojob_params is
    'Internal. The expression for params of type jsonb or bytea; of a job without a payload, the latter is null.';
