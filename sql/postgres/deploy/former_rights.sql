-- Whoever could call a function of the release before may call its successor, and what a caller of that needs now.
-- Nobody may call the old one; a call that had begun isn't asked again.

do $$
declare
    v_function text;
    v_role text;
begin
    for v_function, v_role in
        select successor.name, granted.grantee::regrole::text
        from (
            values
            ('former_reserve_batch', 'reserve_batch'), ('former_claim_batch', 'claim_batch'),
            ('former_claim_batch', 'fall_asleep'), ('former_claim_batch', 'in_flight'),
            ('former_claim_batch', 'wake_up')
        ) as successor (former, name)
        inner join pg_proc on pg_proc.proname = successor.former
        inner join aclexplode(pg_proc.proacl) as granted on granted.grantee not in (0, pg_proc.proowner)
        where pg_proc.pronamespace = to_regnamespace(quote_ident(current_schema()))
    loop
        execute format('grant execute on function %I to %s', v_function, v_role);
    end loop;

    for v_function, v_role in
        select pg_proc.oid::regprocedure::text, granted.grantee::regrole::text
        from pg_proc
        inner join aclexplode(pg_proc.proacl) as granted on granted.grantee not in (0, pg_proc.proowner)
        where pg_proc.pronamespace = to_regnamespace(quote_ident(current_schema()))
            and pg_proc.proname in ('former_reserve_batch', 'former_claim_batch')
    loop
        execute format('revoke all on function %s from %s cascade', v_function, v_role);
    end loop;
end
$$;
