alter index job_pkey reset (fillfactor);

delete from migration
where id = '0006_job_pkey_room';
