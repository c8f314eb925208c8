"""Where servers listen, and how long they keep an idle connection."""

from __future__ import annotations

import socket

#: Seconds. If a server closes an idle connection just as its client uses it again, a request is
#: lost without an answer; so this is longer than clients keep idle connections.
KEEP_ALIVE_S = 75


def url_of(listener: socket.socket) -> str:
    """Where an open listener is reached: `http://127.0.0.1:8000`, or `http://[::1]:8000`."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def listen(host: str, port: int) -> socket.socket:
    """Open the listening socket; raises OSError if that cannot be.

    The protocol is named (TCP), because asyncio turns on TCP_NODELAY only for sockets that name it;
    without it each answer waits for 40 ms.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(2048)
    except OSError:
        listener.close()
        raise
    return listener
