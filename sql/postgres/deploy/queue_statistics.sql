-- Each enqueue, and much else, asks for its queue. Of a table that was never analyzed the planner believes that it has
-- ten pages at least, and uses its key, which takes longer than to read the one page that there is, mostly. Of an
-- analyzed table it believes the size it has, and with some hundreds of queues the key is used again.

analyze queue;
