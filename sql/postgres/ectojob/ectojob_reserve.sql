-- AVAILABLE -> RESERVED, as EctoJob does it

create or replace function ectojob_reserve(
    job job
)
returns job
language plpgsql
volatile
parallel unsafe
security invoker
set search_path from current
set enable_seqscan = off
as $$
declare
    v_job job;
begin
    -- EctoJob's statement locked the row as it is now, and joined it as it was when the statement began: the job may
    -- have had an attempt in between. It counts that it is AVAILABLE.
    update job as reserved set
        state = 'RESERVED',
        expires = (ectojob_reserve.job).expires,
        updated_at = (ectojob_reserve.job).updated_at
    from queue
    where queue.name = reserved.queue
        and queue.paused_at is null
        and reserved.queue = (ectojob_reserve.job).queue
        and reserved.id = (ectojob_reserve.job).id
        and reserved.state = 'AVAILABLE'
    returning reserved.* into v_job;
    return v_job;
end
$$;

comment on function ectojob_reserve is
    'Internal. Reserves one job with the lease that EctoJob gave it, and returns it as it is now; null: someone else '
    'has it, or the queue is paused.';
