"""Benchmarks of the package itself; nothing else imports them."""
