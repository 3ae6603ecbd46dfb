-- SCHEDULED, AVAILABLE, RETRY, FAILED -> (deleted), without having run

create or replace function remove(
    queue text,
    id bigint
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
    delete from job
    where job.queue = remove.queue
        and job.id = remove.id
        and job.state not in ('RESERVED', 'IN_PROGRESS')
    returning job.*;

    if not found then
        perform check_key(remove.queue, remove.id);
    end if;
end
$$;

comment on function remove is
    'Cancels a job that nobody holds, FAILED ones included, and returns it. No row: it is RESERVED or IN_PROGRESS, or '
    'there is none.';
