-- RESERVED, IN_PROGRESS -> AVAILABLE, using up no attempt

create or replace function release(
    queue text,
    id bigint,
    attempt integer
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
    return query
    update job set
        state = 'AVAILABLE',
        expires = null,
        max_attempts = job.max_attempts + case when job.state = 'IN_PROGRESS' then 1 else 0 end,
        updated_at = clock_timestamp()
    where job.queue = release.queue
        and job.id = release.id
        and job.attempt = release.attempt
        and job.state in ('RESERVED', 'IN_PROGRESS')
    returning job.*;

    if not found then
        perform check_key(release.queue, release.id, release.attempt);
        return;
    end if;
    perform wake(release.queue);
end
$$;

comment on function release is
    'Gives a job back that was reserved or begun, for others to run at once. A begun attempt stays counted and '
    'max_attempts is raised instead, so that deploys use up no attempts and the fence holds. No row: someone else has '
    'the job by now.';
