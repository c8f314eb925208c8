"""What many tests share. Fakes are in `tests.fakes`."""

from pathlib import Path

import hypothesis
import pytest

from miniserve.settings import Settings
from miniserve.tutor import Tutor

# How long an example takes says more about the machine than about the code.
hypothesis.settings.register_profile("miniserve", deadline=None)
hypothesis.settings.load_profile("miniserve")


@pytest.fixture
def anyio_backend() -> str:
    """Asynchronous tests run on asyncio."""
    return "asyncio"


@pytest.fixture(scope="session")
def checkpoint() -> Path:
    """The tutor's checkpoint; `MINISERVE_CHECKPOINT` names another one."""
    return Settings().checkpoint


@pytest.fixture(scope="session")
def tutor(checkpoint: Path) -> Tutor:
    """The tutor itself."""
    return Tutor.load(checkpoint)
