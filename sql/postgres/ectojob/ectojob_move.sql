-- Every other move that EctoJob makes, fenced by what it saw

create or replace function ectojob_move(
    job job,
    id bigint,
    state text,
    attempt integer,
    expires timestamp
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
    v_new job := ectojob_rules(ectojob_move.job, ectojob_move.state, ectojob_move.attempt);
    v_job job;
begin
    update job as moved set
        id = v_new.id,
        state = v_new.state,
        priority = v_new.priority,
        schedule = v_new.schedule,
        expires = v_new.expires,
        attempt = v_new.attempt,
        max_attempts = v_new.max_attempts,
        params = coalesce(v_new.params, moved.params),
        notify = case when v_new.notify = left(moved.notify, 255) then moved.notify else v_new.notify end,
        last_error = coalesce(v_new.last_error, moved.last_error),
        updated_at = v_new.updated_at
    where moved.queue = v_new.queue
        and moved.id = ectojob_move.id
        and moved.state = ectojob_move.state and moved.attempt = ectojob_move.attempt
        and moved.expires is not distinct from ectojob_move.expires at time zone 'UTC'
    returning moved.* into v_job;

    if v_job.state <> ectojob_move.state then
        case v_job.state
            when 'AVAILABLE' then
                perform wake(v_job.queue);
            when 'SCHEDULED' then
                perform tell_scheduled(v_job.queue, v_job.schedule);
            when 'RETRY' then
                perform tell_scheduled(v_job.queue, v_job.schedule);
                perform ectojob_announce(v_job.queue, 'retry', v_job.notify);
            when 'FAILED' then
                perform ectojob_announce(v_job.queue, 'failed', v_job.notify);
            else null;
        end case;
    end if;
    return v_job;
end
$$;

comment on function ectojob_move is
    'Internal. Writes a row that EctoJob updated, provided the job still has the id, state, attempt and lease that its '
    'statement saw, and tells our side; null params are those it has. null: it has not.';
