-- A row as EctoJob means it, as a row that our table can hold.

create or replace function ectojob_job(
    queue text,
    id bigint,
    state text,
    expires timestamp,
    schedule timestamp,
    attempt integer,
    max_attempts integer,
    params jsonb,
    notify text,
    priority integer,
    inserted_at timestamp,
    updated_at timestamp
)
returns job
language plpgsql
immutable
parallel safe
security invoker
set search_path from current
as $$
declare
    v_job job;
begin
    v_job.queue := ectojob_job.queue;
    v_job.id := ectojob_job.id;
    v_job.state := ectojob_job.state;
    v_job.priority := ectojob_job.priority;
    v_job.schedule := ectojob_job.schedule at time zone 'UTC';
    v_job.params := ectojob_job.params;
    v_job.notify := ectojob_job.notify;
    v_job.inserted_at := ectojob_job.inserted_at at time zone 'UTC';
    v_job.updated_at := ectojob_job.updated_at at time zone 'UTC';

    -- EctoJob leaves the lease of a job that failed, and has held jobs without one: nobody would ever take them back.
    if v_job.state in ('RESERVED', 'IN_PROGRESS') then
        v_job.expires := coalesce(ectojob_job.expires, ectojob_job.updated_at) at time zone 'UTC';
    end if;
    v_job.attempt := greatest(ectojob_job.attempt, (v_job.state = 'IN_PROGRESS')::integer);
    v_job.max_attempts := greatest(
        ectojob_job.max_attempts, v_job.attempt + (v_job.state not in ('IN_PROGRESS', 'FAILED'))::integer, 1
    );
    return v_job;
end
$$;

comment on function ectojob_job is
    'Internal. A row of an EctoJob table as one of ours: UTC without zone becomes timestamptz; only held jobs keep a '
    'lease, and a held job without one has a lease that is over; where another attempt may begin there is one left.';
