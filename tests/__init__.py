"""The test suite: `make test`, or `python -m tests`."""
