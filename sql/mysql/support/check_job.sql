-- What enqueue and enqueue_many ask of their optional arguments, and of the session.

/*!80000 drop procedure if exists check_job */ //

create /*M! or replace */ procedure check_job(
    p_schedule datetime(6),
    p_max_attempts integer,
    p_notify longtext character set utf8mb4
)
sql security invoker
contains sql
comment 'Internal. 22023 for a schedule, max_attempts or notify that cannot be stored; null is always legal. 22023 in a
session that has set insert_id, as anyone may.'
begin
    call check_max_attempts(p_max_attempts);
    if p_schedule < '1000-01-01'
        or p_schedule >= '9999-01-01'
        or month(p_schedule) = 0  -- which a session may store that is not strict
        or dayofmonth(p_schedule) = 0
    then
        call raise_invalid(
            concat('schedule ', p_schedule, ' is out of range'),
            'Pass a moment between the years 1000 and 9998; null means now.'
        );
    end if;
    if length(p_notify) > 7999 then
        call raise_invalid(
            concat('notify is ', length(p_notify), ' bytes long'),
            'It may have 7999 bytes: send a key, and keep the data in a table.'
        );
    end if;
    if @@insert_id <> 0 then
        call raise_numbered();
    end if;
end
