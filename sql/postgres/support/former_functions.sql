-- What the release before had and this one has not.
--
-- With other arguments a function is another one, so the old one leaves. Not in a migration, but in the transaction
-- that brings the new one: callers miss neither.

drop function if exists reserve_batch(text, integer, interval);
drop function if exists claim_batch(text, integer, interval);
drop function if exists lock_available(queue, integer);
drop function if exists tell_scheduled(text);
