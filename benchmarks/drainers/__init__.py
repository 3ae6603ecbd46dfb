"""The processes that drain; ``benchmarks.crew`` says how they talk."""
