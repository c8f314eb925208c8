"""Where servers listen, how long they keep an idle connection, and how many there may be."""

from __future__ import annotations

import contextlib
import socket
import sys

#: Seconds. If a server closes an idle connection just as its client uses it again, a request is
#: lost without an answer; so this is longer than clients keep idle connections.
KEEP_ALIVE_S = 75


def raise_file_limit(wanted: int = 65_536) -> None:
    """Let this process open as many files, up to `wanted`, as the system lets it ask for.

    The usual limits (1,024, on macOS 256) are fewer sockets than an overload brings. A connection
    beyond them is not refused by a server: it waits, and nobody hears of it. A client that can open
    no more would report its own want as the server's failure.
    """
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        with contextlib.suppress(OSError, ValueError):  # macOS has a limit that it does not tell
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


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
