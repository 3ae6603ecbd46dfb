select jobs.enqueue('bench', '{}', clock_timestamp() + interval '30 seconds');
