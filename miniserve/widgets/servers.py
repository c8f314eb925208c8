"""What a panel is handed: a server, a way to configure it, an engine that says how it stands."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol, TypeAlias, TypeVar

T = TypeVar("T")


class HasUrl(Protocol):
    """A server that knows its address, such as a `BackgroundServer`."""

    @property
    def url(self) -> str:
        """The base URL."""


class HasStatus(Protocol):
    """An engine that can say how many requests wait."""

    def status(self) -> Any:
        """Return something with `num_waiting`."""


Server: TypeAlias = str | HasUrl
Configure: TypeAlias = Callable[..., object]


def url_of(server: Server) -> str:
    """Return the address of a server as it is now (it may have been started again)."""
    return server if isinstance(server, str) else server.url


def by_mode(given: T | Mapping[str, T] | None, modes: Iterable[str]) -> dict[str, T]:
    """Spread one thing over all modes; take a mapping as it is, and None for nothing."""
    if given is None:
        return {}
    if isinstance(given, Mapping):
        return dict(given)
    return dict.fromkeys(modes, given)
