"""What every panel is: a widget for a live notebook, a picture for a reader without a kernel.

A panel's rich display carries three forms: the widget itself, a PNG (shown where no kernel runs: in
a code-hosting site's preview, or in an untrusted copy), and one fixed line of text, which is all
that `pytest --nbval` compares.
"""

from __future__ import annotations

import base64
import contextlib
import io
from collections.abc import Iterator
from typing import Any

import ipywidgets
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from miniserve.widgets.sketch import sketch

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


class Panel:
    """Something to show in a notebook.

    It belongs to the cell that made it: when that cell runs again, the panel is removed first.

    Args:
        root: the widget that holds everything; it gets the CSS class `miniserve-NAME`.
        name: the panel's name, in lower case and hyphens.
        text: one line that says what the panel is, the same in every run.
    """

    def __init__(self, root: ipywidgets.DOMWidget, *, name: str, text: str) -> None:
        self.root = root
        self.text = text
        root.add_class(f"miniserve-{name}")
        self._forget_cell = _remove_with_cell(self)

    def picture(self) -> Figure | None:
        """A still of the panel for readers without a kernel: here, of its words and controls."""
        return sketch(self.root)

    def close(self) -> None:
        """Stop whatever the panel runs; safe to call twice. What is on the page stays there."""
        self._forget_cell()

    def remove(self) -> None:
        """Close the panel and take it off the page; ipywidgets keeps what is not closed."""
        self.close()
        for widget in [*_below(self.root), self.root]:
            close_whole(widget)

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """The three forms, and the words that stand for the PNG where it cannot be seen."""
        view = self.root._repr_mimebundle_() or {}
        bundle: dict[str, Any] = {"text/plain": self.text}
        if WIDGET_VIEW in view:
            bundle[WIDGET_VIEW] = view[WIDGET_VIEW]
        figure = self.picture()
        if figure is not None:
            bundle["image/png"] = base64.b64encode(png(figure)).decode()
        return bundle, {"image/png": {"alt": self.text}}


def _below(widget: ipywidgets.Widget) -> Iterator[ipywidgets.Widget]:
    """Every widget inside a widget, the innermost first."""
    for child in getattr(widget, "children", ()):
        yield from _below(child)
        yield child


def close_whole(widget: ipywidgets.Widget) -> None:
    """Close a widget with its layout and its style, which are widgets of its own."""
    for part in (getattr(widget, "layout", None), getattr(widget, "style", None), widget):
        if isinstance(part, ipywidgets.Widget):
            part.close()


def png(figure: Figure) -> bytes:
    """Draw a matplotlib figure as PNG on the Agg canvas, without pyplot's global state."""
    buffer = io.BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(buffer, format="png", dpi=100, metadata={"Software": None})
    return buffer.getvalue()


def _remove_with_cell(panel: Panel) -> Any:
    """Remove the panel when the cell that runs now is run again; return what undoes that."""
    try:
        from IPython import get_ipython
    except ImportError:
        return lambda: None
    shell: Any = get_ipython()
    cell_id = _cell_id(shell)
    if cell_id is None:
        return lambda: None

    def before_cell(info: Any) -> None:
        if info.cell_id == cell_id:
            panel.remove()

    def forget() -> None:
        with contextlib.suppress(ValueError):
            shell.events.unregister("pre_run_cell", before_cell)

    shell.events.register("pre_run_cell", before_cell)
    return forget


def _cell_id(shell: Any) -> str | None:
    """The notebook cell that runs now; front ends without cell ids give None."""
    if not hasattr(shell, "get_parent"):
        return None
    parent = shell.get_parent() or {}
    cell_id = parent.get("metadata", {}).get("cellId")
    return cell_id if isinstance(cell_id, str) else None
