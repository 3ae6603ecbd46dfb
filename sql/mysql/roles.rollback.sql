-- Takes the roles of roles.sql away: ectojob migrate --no-roles, which also creates the procedures and views again,
-- with whoever runs it as their definer. Jobs stay.

drop role if exists `jobs_producer`;
drop role if exists `jobs_worker`;
drop role if exists `jobs_reader`;
drop role if exists `jobs_admin`;
drop user if exists `jobs_owner`@`localhost`;
