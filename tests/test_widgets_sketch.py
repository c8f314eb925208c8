"""Panels without a figure: what their words and controls look like to a reader without a kernel."""

import base64

import ipywidgets
import pytest

from miniserve.widgets import LoadPanel, Predict, Race, TryIt
from miniserve.widgets.panel import Panel
from miniserve.widgets.sketch import rows_of, sketch, text_of


def words(widget: ipywidgets.Widget) -> list[str]:
    return [" | ".join(piece.words for piece in row) for row in rows_of(widget)]


def test_every_control_says_what_it_stands_at() -> None:
    root = ipywidgets.VBox(
        [
            ipywidgets.HTML("<style>b { top: 0 }</style><b>Title</b><br>a &lt; b<br>&emsp;deep"),
            ipywidgets.HBox([ipywidgets.Button(description="Run"), ipywidgets.Text("She goed.")]),
            ipywidgets.IntSlider(value=7, description="rate"),
            ipywidgets.FloatSlider(value=0.5, description="wait"),
            ipywidgets.RadioButtons(options=["one", "two"], value="two"),
            ipywidgets.Dropdown(options=["x", "y"], value="y"),
            ipywidgets.Checkbox(value=True, description="paged"),
            ipywidgets.ToggleButtons(options=["sync", "async"], description="Mode"),
        ]
    )
    assert words(root) == [
        "Title",
        "a < b",
        "    deep",
        "Run | She goed.",
        "rate | 7",
        "wait | 0.5",
        "○ one",
        "● two",
        "y ▾",
        "☑ paged",
        "Mode | sync | async",
    ]


def test_what_is_switched_on_is_bold() -> None:
    switches = [ipywidgets.ToggleButton(value=on, description=str(on)) for on in (True, False)]
    (row,) = rows_of(ipywidgets.HBox(switches))
    assert [(piece.words, piece.bold) for piece in row] == [("True", True), ("False", False)]


def test_long_words_and_long_rows_are_broken() -> None:
    assert len(words(ipywidgets.HTML("word " * 60))) == 3
    buttons = [ipywidgets.Button(description="a long label " * 3) for _ in range(5)]
    assert [len(row) for row in rows_of(ipywidgets.HBox(buttons))] == [2, 2, 1]


def test_html_becomes_lines() -> None:
    assert text_of("<div>a</div><div>b <i>c</i></div>") == "a\nb c"
    assert text_of("<table><tr><td>1</td></tr></table>") == "1"


def test_a_table_keeps_its_columns() -> None:
    table = "<table><tr><th>p50</th><th>p95</th></tr><tr><td>7 ms</td><td>12 ms</td></tr></table>"
    assert words(ipywidgets.HTML(table)) == ["p50   p95  ", "7 ms  12 ms"]


def test_nothing_to_draw() -> None:
    assert sketch(ipywidgets.VBox([ipywidgets.HTML("")])) is None


@pytest.mark.parametrize(
    "panel",
    [
        Predict("How long?", ["short", "long"]),
        TryIt("http://nowhere"),
        LoadPanel("http://nowhere", ["a"], rate=(1, 10, 5)),
        Race({"static": "http://nowhere"}, ["a"], rate=(1, 10, 5)),
        Panel(ipywidgets.VBox([ipywidgets.HTML("words")]), name="own", text="A panel of one's own"),
    ],
    ids=lambda panel: type(panel).__name__,
)
def test_a_panel_without_a_figure_has_a_picture(panel: Panel) -> None:
    bundle, metadata = panel._repr_mimebundle_()
    assert base64.b64decode(bundle["image/png"]).startswith(b"\x89PNG")
    assert bundle["text/plain"] == panel.text
    assert metadata["image/png"]["alt"] == panel.text
