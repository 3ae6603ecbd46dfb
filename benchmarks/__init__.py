"""How fast it is, beside what bare SQL and others reach on the same server. Run: ``python -m benchmarks``."""

from pathlib import Path

HERE = Path(__file__).parent
