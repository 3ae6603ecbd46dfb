-- depends: 0005_job_rules
--
-- A claim leaves two versions of its job in the key, the old one until somebody cleans up. In a page that enqueuing
-- had filled, each claim had to do that on the spot, a fifth of what it costs. So enqueuing fills pages by half, and
-- claims have the other. For pages to come; those that are there stay as they are until they are empty.

alter index job_pkey set (fillfactor = 50);

insert into migration (id) values ('0006_job_pkey_room');
