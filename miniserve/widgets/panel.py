"""What every panel is: a widget for a live notebook, a picture for a reader without a kernel.

A panel's rich display carries three forms: the widget itself, a PNG (shown where no kernel runs: in
a code-hosting site's preview, or in an untrusted copy), and one fixed line of text, which is all
that `pytest --nbval` compares.
"""

from __future__ import annotations

import base64
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

    Args:
        root: the widget that holds everything; it gets the CSS class `miniserve-NAME`.
        name: the panel's name, in lower case and hyphens.
        text: one line that says what the panel is, the same in every run.
    """

    def __init__(self, root: ipywidgets.DOMWidget, *, name: str, text: str) -> None:
        self.root = root
        self.text = text
        root.add_class(f"miniserve-{name}")

    def picture(self) -> Figure | None:
        """A still of the panel for readers without a kernel: here, of its words and controls."""
        return sketch(self.root)

    def close(self) -> None:
        """Stop whatever the panel runs; safe to call twice. What is on the page stays there."""

    def remove(self) -> None:
        """Close the panel and take it off the page; ipywidgets keeps what is not closed."""
        self.close()
        for widget in [*_below(self.root), self.root]:
            widget.close()

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


def png(figure: Figure) -> bytes:
    """Draw a matplotlib figure as PNG on the Agg canvas, without pyplot's global state."""
    buffer = io.BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(buffer, format="png", dpi=100, metadata={"Software": None})
    return buffer.getvalue()
