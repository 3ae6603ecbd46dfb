-- Commits what was the call's own transaction, and wakes the workers of a queue.

/*!80000 drop procedure if exists end_call */ //

create /*M! or replace */ procedure end_call(
    p_own boolean,
    p_queue text character set utf8mb4
)
sql security invoker
modifies sql data
comment 'Internal. Does nothing in the caller''s transaction, who calls wake after committing. queue: null: nobody
needs to wake.'
begin
    if p_own then
        commit and no chain no release;
        set @ectojob_own = null;
        if p_queue is not null then
            begin
                -- The jobs are safe by now, and a wake-up decides nothing: whatever hinders it must not be raised.
                declare continue handler for sqlexception begin end;
                call wake(p_queue);
            end;
        end if;
    end if;
end
