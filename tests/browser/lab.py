"""JupyterLab on a copy of some notebooks, and a page that a test drives as a person would."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import nbformat
from playwright.sync_api import Browser, Locator, Page, sync_playwright

START_S = 120.0
PATIENCE_S = 90.0
RUN_ALL_S = 240.0

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}


def find_chromium() -> str | None:
    """A Chromium: the one in MINISERVE_CHROMIUM, one on the path, or Playwright's own."""
    names = [os.environ.get("MINISERVE_CHROMIUM"), "chromium", "chromium-browser", "google-chrome"]
    for name in names:
        if name and (path := shutil.which(name)):
            return path
    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    return own if Path(own).exists() else None


@contextlib.contextmanager
def chromium(path: str) -> Iterator[Browser]:
    """A browser without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS)
        try:
            yield browser
        finally:
            browser.close()


class JupyterLab:
    """A JupyterLab of its own, that shares no file with the user's. A context manager."""

    def __init__(self, root: Path, private: Path) -> None:
        self.root = root
        self._private = private
        self._process: subprocess.Popen[bytes] | None = None
        self._info: dict[str, Any] = {}

    def __enter__(self) -> "JupyterLab":
        folders = {
            f"JUPYTER_{name}_DIR": self._private / name.lower()
            for name in ("CONFIG", "DATA", "RUNTIME")
        }
        for folder in folders.values():
            folder.mkdir(parents=True, exist_ok=True)
        settings = self._private / "config" / "lab" / "user-settings"
        _switch_off_news(settings)
        command = [
            *(sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root"),
            f"--ServerApp.root_dir={self.root}",
            "--ServerApp.ip=127.0.0.1",
            "--ServerApp.port=0",
            "--IdentityProvider.token=browser-tests",
            f"--LabApp.user_settings_dir={settings}",
            f"--LabApp.workspaces_dir={self._private / 'workspaces'}",
            "--LabApp.expose_app_in_browser=True",
            "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        ]
        self.log = self._private / "jupyterlab.log"
        environment = {
            **os.environ,
            **{name: str(folder) for name, folder in folders.items()},
            # The notebooks import the package and, in the tests' own notebooks, the tests.
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "OPENBLAS_NUM_THREADS": "1",
        }
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=subprocess.STDOUT, env=environment
            )
        self._info = self._wait_for_server(self._private / "runtime")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._process is not None
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(20)

    def url(self, notebook: str) -> str:
        """The address of a notebook alone on the page."""
        port = self._info["port"]
        return f"http://127.0.0.1:{port}/doc/tree/{notebook}?token=browser-tests&reset"

    def _wait_for_server(self, runtime: Path) -> dict[str, Any]:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            assert self._process is not None
            assert self._process.poll() is None, self.log.read_text()
            for path in runtime.glob("jpserver-*.json"):
                with contextlib.suppress(ValueError):  # it may be half written
                    info: dict[str, Any] = json.loads(path.read_text())
                    return info
            time.sleep(0.1)
        raise TimeoutError(f"JupyterLab did not start:\n{self.log.read_text()}")


def _switch_off_news(settings: Path) -> None:
    folder = settings / "@jupyterlab" / "apputils-extension"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "notification.jupyterlab-settings").write_text(
        json.dumps({"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True})
    )


# anywidget says this when a page was busy for two seconds. The panels do without its messages.
HARMLESS = "[anywidget] Failed to initialize model."


class NotebookPage:
    """One open notebook, driven as a person would."""

    def __init__(self, page: Page, lab: JupyterLab, notebook: str) -> None:
        self.page = page
        self.page_errors: list[str] = []
        page.set_default_timeout(PATIENCE_S * 1e3)
        page.on("pageerror", self._on_page_error)
        page.goto(lab.url(notebook), wait_until="commit")
        self.wait_for_kernel(START_S)

    def _on_page_error(self, error: Any) -> None:
        if str(error) != HARMLESS:
            self.page_errors.append(str(error))

    def wait_for_kernel(self, timeout_s: float) -> None:
        """Wait until the kernel is connected and has nothing to do."""
        self.page.wait_for_function(
            """() => {
                const session = window.jupyterapp?.shell?.currentWidget?.sessionContext?.session;
                const kernel = session?.kernel;
                return kernel?.connectionStatus === 'connected' && kernel?.status === 'idle';
            }""",
            timeout=timeout_s * 1e3,
        )

    def run_all(self) -> None:
        """Run every cell, and wait until all are done."""
        self.command("notebook:run-all-cells")
        self.wait_for_kernel(RUN_ALL_S)

    def command(self, name: str, arguments: dict[str, Any] | None = None) -> None:
        """Execute a JupyterLab command, as its menu would."""
        self.page.evaluate(
            "([name, args]) => window.jupyterapp.commands.execute(name, args)",
            [name, arguments or {}],
        )

    def theme(self, name: str) -> None:
        """Change to the light or the dark theme."""
        self.command("apputils:change-theme", {"theme": THEMES[name]})
        light = "true" if name == "light" else "false"
        self.page.wait_for_function(f"document.body.dataset.jpThemeLight === '{light}'")

    def errors(self) -> list[str]:
        """What went wrong in the cells, read from the notebook itself: far cells are not drawn."""
        found: list[str] = self.page.evaluate(
            """() => window.jupyterapp.shell.currentWidget.content.model.toJSON().cells
                .flatMap(cell => cell.outputs ?? [])
                .filter(output => output.output_type === 'error')
                .map(output => output.traceback.join('\\n'))"""
        )
        return found

    def run_cell(self, index: int) -> None:
        """Run one cell, and wait until it is done."""
        self.page.evaluate(
            "index => { window.jupyterapp.shell.currentWidget.content.activeCellIndex = index; }",
            index,
        )
        self.command("notebook:run-cell")
        self.wait_for_kernel(RUN_ALL_S)

    def printed(self, index: int) -> str:
        """What a cell has printed."""
        text: str = self.page.evaluate(
            """index => window.jupyterapp.shell.currentWidget.content.model.toJSON().cells[index]
                .outputs.map(output => [output.text ?? ''].flat().join('')).join('')""",
            index,
        )
        return text

    def show_cell(self, index: int) -> None:
        """Scroll to a cell; one that is far away is not drawn until then."""
        self.page.evaluate(
            """index => {
                const notebook = window.jupyterapp.shell.currentWidget.content;
                notebook.activeCellIndex = index;
                return notebook.scrollToItem(index, 'start');
            }""",
            index,
        )

    def cell(self, index: int) -> Locator:
        """A cell that is drawn."""
        return self.page.locator(f".jp-Notebook-cell[data-windowed-list-index='{index}']")

    def hide_code(self) -> None:
        """Fold the cells' code away, so that a screenshot shows what they made."""
        self.page.evaluate(
            """() => window.jupyterapp.shell.currentWidget.content.widgets
                .forEach(cell => { cell.inputHidden = true; })"""
        )

    def cells_not_run(self) -> list[int]:
        """Code cells without an execution count: a kernel that dies leaves some behind."""
        found: list[int] = self.page.evaluate(
            """() => window.jupyterapp.shell.currentWidget.content.model.toJSON().cells
                .map((cell, index) => [cell, index])
                .filter(([cell]) => cell.cell_type === 'code' && cell.source.length
                    && cell.execution_count === null)
                .map(([_, index]) => index)"""
        )
        return found

    def dialogs(self) -> list[str]:
        """What JupyterLab asks or says in dialogs, such as that a kernel has died."""
        return self.page.locator(".jp-Dialog").all_inner_texts()

    def panel(self, name: str, number: int = 0) -> Locator:
        """A panel by its name, scrolled into view."""
        found = self.page.locator(f".miniserve-{name}").nth(number)
        found.wait_for(state="visible")
        found.scroll_into_view_if_needed()
        return found

    def screenshot(self, name: str, part: Locator | None = None) -> Path:
        """Save what is seen (or one part of it) under test-artefacts/."""
        path = artefact(name)
        if part is None:
            self.page.screenshot(path=path)
        else:
            part.screenshot(path=path)
        return path


def artefact(name: str) -> Path:
    """Where a picture of this name belongs."""
    folder = Path(__file__).parents[2] / "test-artefacts"
    folder.mkdir(exist_ok=True)
    return folder / f"{name}.png"


class Opener:
    """Opens notebooks of one JupyterLab in one browser."""

    def __init__(self, browser: Browser, lab: JupyterLab) -> None:
        self._browser = browser
        self.lab = lab
        self._pages: list[Page] = []

    def __call__(self, notebook: str, *, width: int = 900, height: int = 1100) -> NotebookPage:
        """Open a notebook of the lab's folder on a page of its own."""
        page = self._browser.new_page(viewport={"width": width, "height": height})
        self._pages.append(page)
        return NotebookPage(page, self.lab, notebook)

    def cells(self, name: str, cells: list[str], *, width: int = 900) -> NotebookPage:
        """Write a notebook of code cells and open it."""
        write_notebook(self.lab.root / f"{name}.ipynb", cells)
        return self(f"{name}.ipynb", width=width)

    def screenshot(self, name: str) -> None:
        """Save what is seen of each open page."""
        for number, page in enumerate(self._pages):
            page.screenshot(path=artefact(f"{name}-{number}"))

    def close(self) -> None:
        """Shut the kernels down and close the pages."""
        for page in self._pages:
            page.evaluate(
                "() => window.jupyterapp?.shell?.currentWidget?.sessionContext?.shutdown()"
            )
            page.close()


def write_notebook(path: Path, cells: list[str]) -> None:
    """Write a notebook of code cells."""
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source) for source in cells],
        metadata={
            "kernelspec": {
                "display_name": "Python 3 (ipykernel)",
                "language": "python",
                "name": "python3",
            }
        },
    )
    nbformat.write(notebook, path)
