"""Routes in memory: what JupyterHub wants to tell a proxy, told to nobody.

The gateway routes by the record, never by what the Hub believes; JupyterHub still needs something to write routes
to. Guarantees: nothing here can fail, since JupyterHub stops a server whose route could not be added.
"""

from __future__ import annotations

from typing import Any

from jupyterhub.proxy import Proxy


class MemoryProxy(Proxy):  # type: ignore[misc]  # JupyterHub carries no types
    """A dictionary that looks like a proxy."""

    should_start = False

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._routes: dict[str, dict[str, Any]] = {}

    async def add_route(self, routespec: str, target: str, data: dict[str, Any]) -> None:
        """Remember a route."""
        self._routes[routespec] = {"routespec": routespec, "target": target, "data": data}

    async def delete_route(self, routespec: str) -> None:
        """Forget a route; an unknown one too."""
        self._routes.pop(routespec, None)

    async def get_all_routes(self) -> dict[str, dict[str, Any]]:
        """Every route."""
        return dict(self._routes)
