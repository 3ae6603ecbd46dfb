-- When the sweep has work next.

/*!80000 drop procedure if exists next_due */ //

create /*M! or replace */ procedure next_due(
    p_queue text character set utf8mb4
)
sql security definer
reads sql data
comment 'The moment at which activate_scheduled or reactivate_expired has work next, so that a worker can sleep exactly
that long; null: nothing waits and nothing is held. Raises JQ002.'
begin
    declare v_queue varchar(48) character set utf8mb4;

    call check_queue(p_queue);
    set v_queue = p_queue;

    -- One branch per state: each reads one end of an index. With p_queue, which is text and so may be longer than the
    -- column, MariaDB reads every job of the state.
    select min(due.moment) as next_due
    from (
        select min(job.schedule) as moment from job where job.queue = v_queue and job.state = 'SCHEDULED'
        union all
        select min(job.schedule) from job where job.queue = v_queue and job.state = 'RETRY'
        union all
        select min(job.expires) from job where job.queue = v_queue and job.state = 'RESERVED'
        union all
        select min(job.expires) from job where job.queue = v_queue and job.state = 'IN_PROGRESS'
    ) as due;
end
