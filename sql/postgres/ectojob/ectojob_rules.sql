-- Where EctoJob's state machine differs from ours, ours holds.

create or replace function ectojob_rules(
    job job,
    state text,
    attempt integer
)
returns job
language plpgsql
stable
parallel unsafe
security invoker
set search_path from current
as $$
declare
    v_job job := ectojob_rules.job;
begin
    if v_job.attempt < ectojob_rules.attempt then
        -- EctoJob's requeue. The attempt is the fence and never decreases; more attempts are granted instead.
        v_job.attempt := ectojob_rules.attempt;
        v_job.max_attempts := v_job.attempt + least(v_job.max_attempts, (queue_settings(v_job.queue)).max_attempts);
        if v_job.state = 'SCHEDULED' and v_job.schedule <= clock_timestamp() then
            v_job.state := 'AVAILABLE';
        end if;
    elsif ectojob_rules.state = 'RESERVED' and v_job.state = 'AVAILABLE' then
        -- A wasted reservation counts as an attempt: a job that kills its worker before it begins must end, too.
        v_job.attempt := v_job.attempt + 1;
        v_job.last_error := 'the reservation expired before the job began';
        if v_job.attempt >= v_job.max_attempts then
            v_job.state := 'FAILED';
        end if;
    elsif ectojob_rules.state = 'IN_PROGRESS' and v_job.state in ('AVAILABLE', 'RETRY', 'FAILED') then
        v_job.last_error := format('attempt %s ended in EctoJob, which keeps no errors', v_job.attempt);
    end if;
    return v_job;
end
$$;

comment on function ectojob_rules is
    'Internal. What a row that EctoJob updated becomes, given the state and attempt it had.';
