-- For pgbench: the next 100 of this client's ids by one UPDATE, then one DELETE per job. Each statement commits.
\set n :n + 1
\set id :first + :client_id * :share + :n - 1
\if :n % 100 = 1
update bare.job set
    state = 'IN_PROGRESS', attempt = attempt + 1,
    expires = clock_timestamp() + interval '5 minutes', updated_at = clock_timestamp()
where queue = 'bench' and id >= :id and id < :id + 100 and state = 'AVAILABLE';
\endif
delete from bare.job
where queue = 'bench' and id = :id and attempt = 1;
