-- What the release before had and this one has not.
--
-- With other arguments a function is another one, so the old one leaves. Not in a migration, but in the transaction
-- that brings the new one: callers miss neither. Who was granted the old one, by hand, is granted the new one by
-- former_rights.sql, which ends this.

drop function if exists lock_available(queue, integer);
drop function if exists tell_scheduled(text);

do $$
begin
    if to_regprocedure('reserve_batch(text, integer, interval)') is not null then
        alter function reserve_batch(text, integer, interval) rename to former_reserve_batch;
    end if;
    if to_regprocedure('claim_batch(text, integer, interval)') is not null then
        alter function claim_batch(text, integer, interval) rename to former_claim_batch;
    end if;
end
$$;
