"""The two probes: alive (if not, restart me) and ready (if not, send me nothing yet)."""

from __future__ import annotations

from fastapi import APIRouter

from miniserve import problems
from miniserve.lifecycle import Lifecycle
from miniserve.schemas import Health, Ready


def health_router(lifecycle: Lifecycle) -> APIRouter:
    """The routes `/healthz` and `/readyz`."""
    router = APIRouter(tags=["probes"])

    # HEAD too: that is what some load balancers and monitors ask.
    @router.head("/healthz", include_in_schema=False)
    @router.get("/healthz", summary="Is the process alive?")
    async def healthz() -> Health:
        """200 as long as the event loop turns, whatever the model does."""
        return Health()

    @router.head("/readyz", include_in_schema=False)
    @router.get(
        "/readyz",
        summary="May requests be sent?",
        responses=problems.responses([problems.UNAVAILABLE, problems.ENGINE_FAILED]),
    )
    async def readyz() -> Ready:
        """200 once the model is loaded and has generated once; else 503 with the reason."""
        status = lifecycle.ready_client().status()
        return Ready(num_running=status.num_running, num_waiting=status.num_waiting)

    return router
