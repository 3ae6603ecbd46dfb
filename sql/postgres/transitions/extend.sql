-- IN_PROGRESS -> IN_PROGRESS, with a later expiry

create or replace function extend(
    queue text,
    id bigint,
    attempt integer,
    "by" interval default null
)
returns setof job
language plpgsql
volatile
parallel unsafe
security definer
set search_path from current
set enable_seqscan = off
as $$
begin
    perform check_timeout('by', extend.by);

    return query
    update job set
        expires = case
            when extend.by is null
                then greatest(
                    job.expires,
                    clock_timestamp() + interval '1 second' * job.attempt * date_part('epoch', queue.execution_timeout)
                )
            else greatest(job.expires, clock_timestamp()) + interval '1 second' * date_part('epoch', extend.by)
        end
    from queue
    where queue.name = job.queue
        and job.queue = extend.queue
        and job.id = extend.id
        and job.attempt = extend.attempt
        and job.state = 'IN_PROGRESS'
    returning job.*;

    if not found then
        perform check_key(extend.queue, extend.id, extend.attempt);
    end if;
end
$$;

comment on function extend is
    'Keeps a running job for longer. by: how much later its lease ends, counted from now when it has ended already; '
    'null: as if the attempt began now. No row: someone else has the job by now, its handler should stop.';
