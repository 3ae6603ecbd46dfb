-- JQ001, lease lost.

create or replace function raise_lease_lost(
    queue text,
    id bigint,
    attempt integer
)
returns void
language plpgsql
stable
parallel unsafe
security invoker
set search_path from current
as $$
begin
    perform check_key(raise_lease_lost.queue, raise_lease_lost.id, raise_lease_lost.attempt);
    raise exception using
        errcode = 'JQ001',
        message = format(
            'attempt %s of job %s in queue %s is over',
            raise_lease_lost.attempt, raise_lease_lost.id, quote_literal(raise_lease_lost.queue)
        ),
        hint = 'Its lease ended, or it was completed, failed or released. Roll back: another attempt does the work.';
end
$$;

comment on function raise_lease_lost is
    'Internal. Always raises: JQ001, or what check_key has to say of the key.';
