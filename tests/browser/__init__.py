"""A real JupyterLab in a real Chromium: what a reader sees and does."""

import os

import pytest

REQUIRED = os.environ.get("MINISERVE_REQUIRE_BROWSER") == "1"
"""Whether a missing browser is a failure; otherwise the tests are skipped, and say why."""


def need_playwright() -> None:
    """Skip the module that calls this if Playwright is missing and not required."""
    if not REQUIRED:
        pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
