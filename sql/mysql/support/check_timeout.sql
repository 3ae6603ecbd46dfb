-- How long a timeout may be.

/*!80000 drop procedure if exists check_timeout */ //

create /*M! or replace */ procedure check_timeout(
    p_argument text character set utf8mb4,
    p_value decimal(30, 6)
)
sql security invoker
contains sql
comment 'Internal. 22023 unless the value is null or between a microsecond and 30 days, in seconds; argument is its
name in the message.'
begin
    if p_value <= 0 or p_value > 30 * 86400 then
        call raise_invalid(
            concat(p_argument, ' must be more than 0 and at most 30 days, not ', p_value, ' s'),
            'null means the queue''s setting.'
        );
    end if;
end
