-- How many jobs may be asked for.

/*!80000 drop procedure if exists check_demand */ //

create /*M! or replace */ procedure check_demand(
    p_demand integer
)
sql security invoker
contains sql
comment 'Internal. 22023 unless demand is at least 1.'
begin
    if p_demand is null or p_demand < 1 then
        call raise_invalid(
            concat('demand must be at least 1, not ', coalesce(p_demand, 'null')),
            'Pass how many jobs you can run now.'
        );
    end if;
end
