-- Keeps everybody from a table of EctoJob's, and writers from ours, until the transaction ends.

create or replace function ectojob_lock(
    relation text,
    lock_timeout interval
)
returns void
language plpgsql
volatile
parallel unsafe
security invoker
set search_path from current
as $$
declare
    v_timeout constant text := current_setting('lock_timeout');
begin
    perform set_config(
        'lock_timeout', least(ceil(1000 * extract(epoch from ectojob_lock.lock_timeout)), 2147483647)::text, true
    );
    execute format('lock table %s in access exclusive mode', ectojob_lock.relation);
    lock table job in share row exclusive mode;
    perform set_config('lock_timeout', v_timeout, true);
exception
    when lock_not_available then
        raise lock_not_available using
            message = format('%s or job is locked by someone else: %s', ectojob_lock.relation, sqlerrm),
            hint = 'Nothing has changed: call again, or with a longer lock_timeout. pg_locks shows who has it.';
end
$$;

comment on function ectojob_lock is
    'Internal. relation: quoted, as SQL has it. lock_timeout: for each of the two locks; then 55P03.';
