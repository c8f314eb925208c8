"""miniserve: a small inference server, built floor by floor."""
