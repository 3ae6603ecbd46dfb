-- Stops handing out jobs of a queue; what runs goes on.

/*!80000 drop procedure if exists pause_queue */ //

create /*M! or replace */ procedure pause_queue(
    p_queue text character set utf8mb4
)
sql security definer
modifies sql data
comment 'Stops handing out jobs of a queue until resume_queue. Running jobs go on, enqueuing goes on. Raises JQ002.'
begin
    if @ectojob_own then
        call check_unfinished();
    end if;
    if @@global.read_only not in ('0', 'OFF') then
        call raise_read_only();
    end if;
    set timestamp = default;  -- see begin_call
    update queue set
        paused_at = coalesce(queue.paused_at, utc_timestamp(6)),
        updated_at = utc_timestamp(6)
    where queue.name = p_queue;

    if row_count() = 0 then
        call check_queue(p_queue);
    end if;
end
