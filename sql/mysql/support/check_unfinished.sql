-- 25000, for whoever would fall into a transaction that nobody ends.

/*!80000 drop procedure if exists check_unfinished */ //

create /*M! or replace */ procedure check_unfinished()
sql security invoker
contains sql
comment 'Internal. To be called when @ectojob_own is set: a call of this session began a transaction and did not end it.
25000 while that is open, as after an interruption, for which the servers run no handler.'
begin
    declare v_open boolean default true;
    declare continue handler for 1305 set v_open = false;

    release savepoint ectojob;  -- 1305: it has ended, and whatever is open now is the caller's
    if v_open then
        savepoint ectojob;
        signal sqlstate '25000' set mysql_errno = 31025, message_text =
            'an earlier call was interrupted, and its transaction is still open HINT: ROLLBACK, before anything else.';
    end if;
    set @ectojob_own = null;
end
