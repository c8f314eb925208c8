"""One JupyterLab for all browser tests, and a fresh page for each."""

import os
import shutil
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

from playwright.sync_api import Browser  # noqa: E402

from tests.browser.lab import JupyterLab, Opener, chromium, find_chromium  # noqa: E402

FAILED = pytest.StashKey[bool]()

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
    path = find_chromium()
    if path is None:
        reason = "no Chromium: install one, or name it in MINISERVE_CHROMIUM"
        if os.environ.get("MINISERVE_REQUIRE_BROWSER") == "1":
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
# test could run its own. So a browser lives no longer than a module.
@pytest.fixture(scope="module")
def browser(chromium_path: str) -> Iterator[Browser]:
    """A browser without a window."""
    with chromium(chromium_path) as launched:
        yield launched


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember whether a test has failed."""
    report = yield
    if report.failed:
        item.stash[FAILED] = True
    return report


@pytest.fixture
def open_notebook(
    browser: Browser, lab: JupyterLab, request: pytest.FixtureRequest
) -> Iterator[Opener]:
    """A way to open notebooks. Kernels are shut down afterwards; a failure leaves a screenshot."""
    opener = Opener(browser, lab)
    yield opener
    if request.node.stash.get(FAILED, False):
        opener.screenshot(f"failed-{request.node.name}")
    opener.close()
