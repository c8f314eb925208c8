"""One file for each layer of the middleware."""
