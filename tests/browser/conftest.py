"""One JupyterLab for all browser tests, and a fresh page for each."""

from __future__ import annotations

import shutil
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser import REQUIRED
from tests.browser.server import JupyterLab

if TYPE_CHECKING:  # Playwright may be missing; then the test modules skip themselves
    from playwright.sync_api import BrowserContext

    from tests.browser.lab import Opener

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A notebook in a browser takes longer than a unit test."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.timeout(600))


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """An installed Chromium; without one the tests are skipped, or fail where they are required."""
    from tests.browser.lab import find_chromium

    path = find_chromium()
    if path is None:
        reason = "no Chromium: install one, or name it in MINISERVE_CHROMIUM"
        if REQUIRED:
            pytest.fail(reason)
        pytest.skip(reason)
    return path


@pytest.fixture(scope="session")
def lab(chromium_path: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterLab]:
    """JupyterLab on a copy of the notebooks."""
    folder = tmp_path_factory.mktemp("lab")
    root = folder / "notebooks"
    shutil.copytree(NOTEBOOKS, root, ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    with JupyterLab(root, folder / "private") as running:
        yield running


# Playwright's synchronous interface keeps an event loop running in this thread, in which no other
# test could run its own. So a browser lives no longer than a module. One context for all its pages
# keeps JupyterLab's code in the browser's cache.
@pytest.fixture(scope="module")
def context(chromium_path: str) -> Iterator[BrowserContext]:
    """A browser without a window."""
    from tests.browser.lab import chromium

    with chromium(chromium_path) as launched:
        yield launched.new_context()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that fails leaves a screenshot, and the state of its notebook in the report."""
    report = yield
    opener = getattr(item, "funcargs", {}).get("open_notebook")
    if report.failed and report.when == "call" and opener is not None:
        report.sections.append(("The notebook", opener.report(f"failed-{item.name}")))
    return report


@pytest.fixture
def open_notebook(context: BrowserContext, lab: JupyterLab) -> Iterator[Opener]:
    """A way to open notebooks; their kernels are shut down afterwards."""
    from tests.browser.lab import Opener

    opener = Opener(context, lab)
    yield opener
    opener.close()
