-- What every transition starts with: the server's own clock, and a transaction.

/*!80000 drop procedure if exists begin_call */ //

create /*M! or replace */ procedure begin_call(
    out p_own boolean
)
sql security invoker
modifies sql data
comment 'Internal. Sets savepoint ectojob in the caller''s transaction; when the caller has none, begins one and sets own. Whoever calls it ends that one with end_call, and rolls back to the one or the other when anything raises.'
begin
    declare continue handler for 1305 set p_own = true;

    -- utc_timestamp() follows `set timestamp`, by which a caller could end the leases of others.
    set timestamp = default;

    set p_own = false;
    savepoint ectojob;
    release savepoint ectojob;  -- 1305: it never was, as under autocommit a savepoint ends with its statement
    if p_own then
        set transaction isolation level read committed;
        start transaction;
    else
        savepoint ectojob;
    end if;
end
