"""Every notebook of the course in a real JupyterLab: all cells run, and every panel is seen."""

import base64
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from miniserve.widgets.panel import WIDGET_VIEW
from tests.browser import need_playwright

need_playwright()

from tests.browser.lab import Opener, write_notebook  # noqa: E402

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
CHAPTERS = sorted(path.name for path in NOTEBOOKS.glob("*.ipynb"))


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_chapter_runs_and_shows_its_panels(open_notebook: Opener, chapter: str) -> None:
    page = open_notebook(chapter)
    page.run_all()
    assert page.errors() == []
    assert page.dialogs() == []
    assert page.cells_not_run() == []
    cells = page.page.evaluate(
        """([kind]) => window.jupyterapp.shell.currentWidget.content.model.toJSON().cells
            .map((cell, index) => [index, (cell.outputs ?? [])])
            .filter(([_, outputs]) => outputs.some(output => output.data?.[kind]))
            .map(([index]) => index)""",
        [WIDGET_VIEW],
    )
    assert cells, "a chapter has something to play with"
    for index in cells:
        page.show_cell(index)
        shown = page.cell(index).locator(".jp-OutputArea-output .jupyter-widgets").first
        shown.wait_for(state="visible")
        assert "Error displaying widget" not in page.cell(index).inner_text()
        for plot in page.cell(index).locator(".miniserve-panel .js-plotly-plot").all():
            plot.locator(".main-svg").first.wait_for(state="visible")
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
