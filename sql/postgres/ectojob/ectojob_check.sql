-- What a row that EctoJob wrote must be for our workers to load it.

create or replace function ectojob_check(
    job job
)
returns void
language plpgsql
stable
parallel unsafe
security invoker
set search_path from current
as $$
begin
    perform check_job((ectojob_check.job).schedule, null, (ectojob_check.job).notify);
    perform check_moment('expires', (ectojob_check.job).expires);
    perform check_moment('inserted_at', (ectojob_check.job).inserted_at);
    perform check_moment('updated_at', (ectojob_check.job).updated_at);
end
$$;

comment on function ectojob_check is
    'Internal. 22023 for a moment or notify that cannot be stored. A row that a worker cannot load would keep it from '
    'all jobs that it claims together with that one.';
