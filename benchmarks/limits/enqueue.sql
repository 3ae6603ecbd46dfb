select jobs.enqueue('bench', '{}');
