-- Of a table that was never analyzed the planner believes that it has ten pages at least, and uses its key. Reading the
-- one page that most installations need takes half as long as that, and each enqueue asks for its queue. Of a table
-- once analyzed it believes its size, so it goes back to the key when there are some hundreds of queues.

analyze queue;
