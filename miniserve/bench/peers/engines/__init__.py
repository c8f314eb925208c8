"""One engine a file. Each runs in its own Python, so none imports what only another one has."""
