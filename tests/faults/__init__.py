"""Faults on purpose: every interleaving, a model that knows better, and mutants that must not live."""
