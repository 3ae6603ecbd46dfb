-- What every transition starts with: the server's own clock, and a transaction.
--
-- The handler that undoes it stands in each file, the same in all: a procedure might be missing in the middle of a call
-- that a deploy on MySQL runs into, and the call would be half undone.

/*!80000 drop procedure if exists begin_call */ //

create /*M! or replace */ procedure begin_call(
    out p_own boolean
)
sql security invoker
modifies sql data
comment 'Internal. Begins a transaction and sets own, when the caller has none; sets savepoint ectojob. Whoever calls
it ends with end_call, and rolls back the one or to the other when anything raises.'
begin
    declare continue handler for 1305 set p_own = true;

    if @ectojob_own then
        call check_unfinished();
    end if;
    if @@global.read_only not in ('0', 'OFF') then  -- a word from MariaDB 12 on
        call raise_read_only();
    end if;

    -- utc_timestamp() follows `set timestamp`, by which a caller could end the leases of others.
    set timestamp = default;

    set p_own = false;
    savepoint ectojob;
    release savepoint ectojob;  -- 1305: it never was, as under autocommit a savepoint ends with its statement
    if p_own then
        set @ectojob_own = true;  -- until end_call
        set transaction isolation level read committed;
        start transaction;
    end if;
    savepoint ectojob;
end
