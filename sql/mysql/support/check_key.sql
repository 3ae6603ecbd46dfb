-- Why a transition may have found no job: a bad key, or an ordinary lost race.

/*!80000 drop procedure if exists check_key */ //

create /*M! or replace */ procedure check_key(
    p_queue text character set utf8mb4,
    p_id bigint,
    p_attempt integer
)
sql security invoker
reads sql data
comment 'Internal. Called when no job matched: 22023 for a null in the key, JQ002 for an unknown queue; returns when
the key is legal, and the job has simply moved on.'
begin
    if p_id is null or p_attempt is null then
        call raise_invalid(
            concat(if(p_id is null, 'id', 'attempt'), ' must not be null'),
            'Pass queue, id and attempt as they were returned to you.'
        );
    end if;
    call check_queue(p_queue);
end
