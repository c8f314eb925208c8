"""Benchmarks of the package itself, and how a run is printed; only the commands import them."""
