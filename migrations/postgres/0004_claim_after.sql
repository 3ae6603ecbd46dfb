-- depends: 0003_ectojob_view
--
-- reserve_batch and claim_batch have three more arguments, and tell_scheduled one. A function with other arguments is
-- another function, so the old ones leave; what they are now is loaded after the migrations.

drop function if exists reserve_batch(text, integer, interval);
drop function if exists claim_batch(text, integer, interval);
drop function if exists lock_available(queue, integer);
drop function if exists tell_scheduled(text);

insert into migration (id) values ('0004_claim_after');
