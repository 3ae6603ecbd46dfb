-- JQ001, lease lost, for one of many.

/*!80000 drop procedure if exists raise_batch_lost */ //

create /*M! or replace */ procedure raise_batch_lost(
    p_queue text character set utf8mb4,
    p_ids longtext character set utf8mb4,
    p_attempts longtext character set utf8mb4
)
sql security invoker
reads sql data
comment 'Internal. Always raises what raise_lease_lost does, for the first of a batch that is not held; for one with a
null before all others, and for the first of all when the batch names a job twice.'
begin
    declare v_id bigint;
    declare v_attempt integer;

    select ids.id, attempts.attempt into v_id, v_attempt
    from json_table(p_ids, '$[*]' columns (place for ordinality, id bigint path '$')) as ids
    join (  -- with a limit that is none it becomes a table with a key; else it is searched for each id
        select item.place, item.attempt
        from json_table(p_attempts, '$[*]' columns (place for ordinality, attempt integer path '$')) as item
        limit 18446744073709551615
    ) as attempts
        on attempts.place = ids.place
    left join job
        on job.queue = p_queue
        and job.id = ids.id
        and job.attempt = attempts.attempt
        and job.state = 'IN_PROGRESS'
    order by (ids.id is null or attempts.attempt is null) desc, job.id is null desc, ids.place
    limit 1;

    call raise_lease_lost(p_queue, v_id, v_attempt);
end
