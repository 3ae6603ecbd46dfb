-- How long a failed job may be told to wait.

/*!80000 drop procedure if exists check_retry_in */ //

create /*M! or replace */ procedure check_retry_in(
    p_retry_in decimal(30, 6)
)
sql security invoker
contains sql
comment 'Internal. 22023 unless retry_in is null or between 0 and 3,650 days, in seconds.'
begin
    if p_retry_in < 0 or p_retry_in > 3650 * 86400 then
        call raise_invalid(
            concat('retry_in must be between 0 and 3650 days, not ', p_retry_in, ' s'),
            'null means the queue''s retry_timeout times the attempt.'
        );
    end if;
end
