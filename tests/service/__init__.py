"""Real server processes over real sockets."""
