-- How many jobs may be asked for.

create or replace function check_demand(
    demand integer
)
returns void
language plpgsql
immutable
parallel safe
security invoker
set search_path from current
as $$
begin
    if check_demand.demand is null or check_demand.demand < 1 then
        raise invalid_parameter_value using
            message = format('demand must be at least 1, not %s', coalesce(check_demand.demand::text, 'null')),
            hint = 'Pass how many jobs you can run now.';
    end if;
end
$$;

comment on function check_demand is
    'Internal. 22023 unless demand is at least 1.';
