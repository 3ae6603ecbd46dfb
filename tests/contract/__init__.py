"""The contract of the queue, run against every database from one text."""
