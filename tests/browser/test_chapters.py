"""Every notebook of the course in a real JupyterLab: all cells run, and every panel is seen."""

import base64
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from miniserve.widgets.panel import WIDGET_VIEW
from tests.browser import need_playwright

need_playwright()

from tests.browser.lab import NotebookPage, Opener, write_notebook  # noqa: E402

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
CHAPTERS = sorted(path.name for path in NOTEBOOKS.glob("*.ipynb"))


DRAWN = re.compile(r"Figure|Timeline|Replay|Live race|Plan panel|Live panel: (?!try the tutor)")
"""The plain text of panels that have a figure."""


def wait_for_widgets(page: NotebookPage, index: int, widgets: int, figures: int) -> None:
    """Wait until a cell shows so many widgets, and so many figures with something in them."""
    page.wait_for(
        f"{widgets} widgets and {figures} figures in cell {index}",
        """([index, widgets, figures]) => {
            const cell = document.querySelector(
                `.jp-Notebook-cell[data-windowed-list-index='${index}']`);
            const seen = selector => [...cell?.querySelectorAll(selector) ?? []]
                .filter(element => element.checkVisibility() && element.clientHeight > 20).length;
            return seen('.jp-OutputArea-output > .jupyter-widgets') >= widgets
                && seen('.main-svg') >= figures;
        }""",
        arg=[index, widgets, figures],
    )


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_chapter_runs_and_shows_its_panels(open_notebook: Opener, chapter: str) -> None:
    page = open_notebook(chapter)
    page.run_all()
    assert page.errors() == []
    assert page.dialogs() == []
    assert page.cells_not_run() == []
    panels: list[tuple[int, list[str]]] = page.page.evaluate(
        """kind => window.jupyterapp.shell.currentWidget.content.model.toJSON().cells
            .map((cell, index) => [index, (cell.outputs ?? []).map(output => output.data ?? {})
                .filter(data => data[kind]).map(data => [data['text/plain']].flat().join(''))])
            .filter(([_, texts]) => texts.length)""",
        WIDGET_VIEW,
    )
    assert panels, "a chapter has something to play with"
    for index, texts in panels:
        page.show_cell(index)
        wait_for_widgets(page, index, len(texts), sum(bool(DRAWN.match(text)) for text in texts))
        assert "Error displaying widget" not in page.cell(index).inner_text()
        page.screenshot(f"{Path(chapter).stem}-cell-{index}")
    assert page.dialogs() == []
    assert page.page_errors == []


def test_a_saved_panel_is_a_picture_until_it_is_trusted(open_notebook: Opener) -> None:
    path = open_notebook.lab.root / "saved.ipynb"
    write_notebook(
        path,
        [
            "from miniserve.widgets import Curve, LoadPanel",
            'LoadPanel("http://127.0.0.1:9", ["a"], rate=(5, 100, 30),\n'
            '          preview=[Curve("saved", [0.1, 0.2, 0.3] * 20, mode="static")])',
        ],
    )
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=120, store_widget_state=False).execute()
    nbformat.write(notebook, path)
    (output,) = notebook.cells[1].outputs
    assert base64.b64decode(output.data["image/png"]).startswith(b"\x89PNG")
    page = open_notebook("saved.ipynb")
    picture = page.page.locator(".jp-RenderedImage img")
    picture.wait_for(state="visible")
    assert picture.evaluate("image => image.naturalWidth") > 400
    page.screenshot("saved-panel")
