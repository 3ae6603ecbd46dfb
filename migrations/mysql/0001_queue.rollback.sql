-- yoyo undoes a migration that fails by these statements, the last one for its first and so on. So those that create
-- the tables have none: a table of another application's, which they have passed over, is not dropped.

drop table if exists migration;
drop table if exists queue;
do 0;
do 0;
