-- How many attempts a job may be granted.

/*!80000 drop procedure if exists check_max_attempts */ //

create /*M! or replace */ procedure check_max_attempts(
    p_max_attempts integer
)
sql security invoker
contains sql
comment 'Internal. 22023 unless max_attempts is null or between 1 and 10,000.'
begin
    if p_max_attempts not between 1 and 10000 then
        call raise_invalid(
            concat('max_attempts must be between 1 and 10000, not ', p_max_attempts),
            'null means the queue''s setting.'
        );
    end if;
end
