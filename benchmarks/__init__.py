"""How fast it is, beside what bare SQL and others reach on the same server. Run: ``python -m benchmarks``."""
