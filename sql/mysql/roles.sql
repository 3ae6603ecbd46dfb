-- Roles, for those who should not be the owner of everything, in database jobs; for another one, replace the word jobs.
-- For MySQL 8 and MariaDB, as an administrator:
--
--     ectojob migrate --roles --dsn mysql://root@...    the way to do it; --no-roles undoes it
--
-- jobs_owner@localhost is an account that is locked for good. The procedures and views run with its rights once they
-- name it as their definer, which only their creation can say: migrate creates them again, and later deploys keep it.
-- The other four are roles without a right on any table:
--
--     grant jobs_producer to shop; set default role jobs_producer for shop    (on MySQL: ... to shop)

source roles/create_roles.sql
source roles/grants.sql
