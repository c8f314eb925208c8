"""A notebook in JupyterLab on a page in Chromium, driven as a person would drive it.

Every wait is for something to be seen and has a bound, a generous one: a test is quick on a quiet
machine and still passes on a busy one. What is waited for in vain is said, with the state of the
notebook and of the page at that moment.
"""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
from playwright.sync_api import Browser, BrowserContext, Locator, Page, sync_playwright
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import TimeoutError as WaitedInVain

from tests.browser.server import START_S, JupyterLab

PATIENCE_S = 90.0
RUN_ALL_S = 240.0
SCROLL_S = 5.0

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",  # containers have little of it
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


# anywidget says this when a page was busy for two seconds. The panels do without its messages.
HARMLESS = "[anywidget] Failed to initialize model."


STATE = """() => {
    const panel = window.jupyterapp?.shell?.currentWidget;
    const kernel = panel?.sessionContext?.session?.kernel;
    const cells = panel?.content?.model?.toJSON().cells ?? [];
    const code = cells.map((cell, index) => ({...cell, index})).filter(
        cell => cell.cell_type === 'code' && cell.source.length);
    return {
        page: document.readyState,
        kernel: `${kernel?.connectionStatus}, ${kernel?.status}`,
        'cells not run': code.filter(cell => cell.execution_count === null)
            .map(cell => cell.index).join(' '),
        'cells with errors': code.filter(
            cell => cell.outputs.some(output => output.output_type === 'error'))
            .map(cell => cell.index).join(' '),
        dialogs: [...document.querySelectorAll('.jp-Dialog')].map(d => d.innerText).join(' | '),
    };
}"""


class NotebookPage:
    """One open notebook, driven as a person would."""

    def __init__(self, page: Page, lab: JupyterLab) -> None:
        self.page = page
        self.page_errors: list[str] = []
        self._lab = lab
        page.set_default_timeout(PATIENCE_S * 1e3)
        page.on("pageerror", self._on_page_error)

    def open(self, notebook: str) -> None:
        """Load the notebook, and wait for its kernel."""
        self.page.goto(self._lab.url(notebook), wait_until="commit", timeout=START_S * 1e3)
        self.wait_for_kernel(START_S)

    def _on_page_error(self, error: Any) -> None:
        if str(error) != HARMLESS:
            self.page_errors.append(str(error))

    def wait_for(
        self, what: str, script: str, *, arg: Any = None, timeout_s: float = PATIENCE_S
    ) -> None:
        """Wait until a script returns something true; `what` says in words what that is."""
        try:
            self.page.wait_for_function(script, arg=arg, timeout=timeout_s * 1e3)
        except WaitedInVain:
            raise AssertionError(f"waited {timeout_s:g} s in vain for {what}") from None

    def state(self) -> str:
        """What somebody who reads of a failure wants to know about the notebook and the page."""
        found = self.page.evaluate(STATE)
        lines = [f"{name}: {value}" for name, value in found.items()]
        lines += [f"error of the page: {error}" for error in self.page_errors]
        lines += [f"JupyterLab: {line}" for line in self._lab.log_tail()]
        return "\n".join(lines)

    def wait_for_kernel(self, timeout_s: float = PATIENCE_S) -> None:
        """Wait until the kernel is connected and has nothing to do."""
        self.wait_for(
            "a kernel that is connected and idle",
            """() => {
                const session = window.jupyterapp?.shell?.currentWidget?.sessionContext?.session;
                const kernel = session?.kernel;
                return kernel?.connectionStatus === 'connected' && kernel?.status === 'idle';
            }""",
            timeout_s=timeout_s,
        )

    def run_all(self) -> None:
        """Run every cell, and wait until all are done."""
        self._run("notebook:run-all-cells")

    def run_cell(self, index: int) -> None:
        """Run one cell, and wait until it is done."""
        self.page.evaluate(
            "index => { window.jupyterapp.shell.currentWidget.content.activeCellIndex = index; }",
            index,
        )
        self._run("notebook:run-cell")

    def _run(self, command: str) -> None:
        """JupyterLab says when all is done; the kernel is idle between two cells as well."""
        self.page.evaluate(
            """command => {
                const done = end => { window.miniserveRun = end; };
                window.miniserveRun = null;
                window.jupyterapp.commands.execute(command)
                    .then(() => done('done'), error => done(`failed: ${error}`));
            }""",
            command,
        )
        self.wait_for(f"the end of {command}", "() => window.miniserveRun", timeout_s=RUN_ALL_S)
        end = self.page.evaluate("() => window.miniserveRun")
        assert end == "done", f"{command} {end}"
        self.wait_for_kernel()

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
        self.wait_for(
            f"the {name} theme",
            """light => document.body.dataset.jpThemeLight === light
                && !document.getElementById('jupyterlab-splash')""",
            arg=light,
        )
        self.wait_for(
            "figures as wide as their panels",
            """() => [...document.querySelectorAll('.miniserve-panel .main-svg')].every(
                svg => svg.clientWidth <= svg.closest('.miniserve-panel').clientWidth)""",
        )

    def errors(self) -> list[str]:
        """What went wrong in the cells, read from the notebook itself: far cells are not drawn."""
        found: list[str] = self.page.evaluate(
            """() => window.jupyterapp.shell.currentWidget.content.model.toJSON().cells
                .flatMap(cell => cell.outputs ?? [])
                .filter(output => output.output_type === 'error')
                .map(output => output.traceback.join('\\n'))"""
        )
        return found

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
            """([index, limit]) => {
                const notebook = window.jupyterapp.shell.currentWidget.content;
                notebook.activeCellIndex = index;
                const late = new Promise(resolve => setTimeout(resolve, limit));
                return Promise.race([notebook.scrollToItem(index, 'start'), late]);
            }""",
            [index, SCROLL_S * 1e3],
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

    def __init__(self, context: BrowserContext, lab: JupyterLab) -> None:
        self._context = context
        self.lab = lab
        self._pages: list[NotebookPage] = []

    def __call__(self, notebook: str, *, width: int = 900, height: int = 1100) -> NotebookPage:
        """Open a notebook of the lab's folder on a page of its own."""
        page = self._context.new_page()
        page.set_viewport_size({"width": width, "height": height})
        opened = NotebookPage(page, self.lab)
        self._pages.append(opened)
        opened.open(notebook)
        return opened

    def cells(
        self, name: str, cells: list[str], *, width: int = 900, height: int = 1100
    ) -> NotebookPage:
        """Write a notebook of code cells and open it."""
        write_notebook(self.lab.root / f"{name}.ipynb", cells)
        return self(f"{name}.ipynb", width=width, height=height)

    def report(self, name: str) -> str:
        """Save what is seen of each open page, and say how it stands with it."""
        found = []
        for number, opened in enumerate(self._pages):
            try:
                path = opened.screenshot(f"{name}-{number}")
                found.append(f"{opened.state()}\nscreenshot: {path}")
            except PlaywrightError as error:
                found.append(f"the page does not answer: {error.message}")
        return "\n\n".join(found)

    def close(self) -> None:
        """Close the pages and end their kernels."""
        for opened in self._pages:
            with contextlib.suppress(PlaywrightError):
                opened.page.close()
        self.lab.shut_kernels_down()


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
