"""The console script, in this process and as a process of its own."""
