-- The functions leave when 0002_job is undone.

delete from migration
where id = '0004_claim_after';
