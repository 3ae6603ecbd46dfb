-- What the release before had and this one has not. Until 0.3, which needs the first two statements alone.
--
-- With other arguments a function is another one, so the old one leaves. Not in a migration, but in the transaction
-- that brings the new one: callers miss neither. A call that had begun goes on after it, mostly with the old text, and
-- looks for its function and, by name, for those that it calls. So the function stays until the next deploy, under a
-- name that nobody may call; and lock_available and tell_scheduled take the old arguments, too. former_rights.sql
-- grants the new one to whoever was granted the old one by hand.

drop function if exists former_reserve_batch(text, integer, interval);
drop function if exists former_claim_batch(text, integer, interval);
drop function if exists lock_available(queue, integer);
drop function if exists tell_scheduled(text);

-- The text is for a call that has not read it yet: the old one has the old name in it.

do $$
begin
    if to_regprocedure('reserve_batch(text, integer, interval)') is not null then
        alter function reserve_batch(text, integer, interval) rename to former_reserve_batch;

        create or replace function former_reserve_batch(
            queue text, demand integer, reservation_timeout interval default null
        )
        returns setof job language plpgsql volatile parallel unsafe security definer set search_path from current
        as $former$
        begin
            return query select reserved.* from reserve_batch(
                former_reserve_batch.queue, former_reserve_batch.demand, former_reserve_batch.reservation_timeout
            ) as reserved;
        end
        $former$;
    end if;
    if to_regprocedure('claim_batch(text, integer, interval)') is not null then
        alter function claim_batch(text, integer, interval) rename to former_claim_batch;

        create or replace function former_claim_batch(
            queue text, demand integer, execution_timeout interval default null
        )
        returns setof job language plpgsql volatile parallel unsafe security definer set search_path from current
        as $former$
        begin
            return query select claimed.* from claim_batch(
                former_claim_batch.queue, former_claim_batch.demand, former_claim_batch.execution_timeout
            ) as claimed;
        end
        $former$;
    end if;
end
$$;
