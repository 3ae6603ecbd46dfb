-- Wakes the workers of a queue.

/*!80000 drop procedure if exists wake */ //

create /*M! or replace */ procedure wake(
    p_queue text character set utf8mb4
)
sql security definer
contains sql
comment 'Interrupts whoever sleeps in wait_for_job for this queue. The procedures do it themselves under autocommit; in
a transaction of your own, call it after your COMMIT. It carries no data and decides nothing. Raises 22023.'
begin
    declare v_place integer default 1;
    declare v_name varchar(64) character set utf8mb4;
    declare v_holder bigint unsigned;
    declare continue handler for 1094, 1095 begin end;  -- it has gone meanwhile, or is not ours to interrupt

    if p_queue is null then
        call raise_unknown_queue(null);
    end if;
    while v_place <= 16 do
        call waiter_lock(p_queue, v_place, v_name);
        set v_holder = is_used_lock(v_name);
        if v_holder <> connection_id() then  -- whoever was interrupted has the place still
            kill query v_holder;
        end if;
        set v_place = v_place + 1;
    end while;
end
