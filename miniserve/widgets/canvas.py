"""A Plotly figure on the page that is brought up to date, a few times a second, at little cost.

Plotly's own `FigureWidget` tells the page what changed. Such a message is lost when it comes before
the page is ready, as it does when all cells run at once, and the figure stays wrong from then on.
Here the whole figure is state: a page that comes late draws what is there now. It travels as JSON
in the value of a plain ipywidgets text, because an anywidget hears no more messages once its own
code took longer than two seconds to load, which Plotly's does on a busy machine.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import anywidget
import ipywidgets
import numpy as np
import traitlets
from plotly.offline import get_plotlyjs

from miniserve.widgets.figures import Spec
from miniserve.widgets.panel import close_whole

_EMPTY: Spec = {"x": [], "y": [], "text": []}


@functools.cache
def _library() -> ipywidgets.Text:
    """Plotly's source as a value that every canvas of this kernel refers to; it is never shown."""
    return ipywidgets.Text(value=get_plotlyjs())


class _Plot(anywidget.AnyWidget):
    """The place on the page; it knows where the figure and Plotly are to be found.

    Args:
        figure: the text that holds the figure; it is closed with the place.
    """

    _esm = (Path(__file__).parent / "plot.js").read_text(encoding="utf-8")
    _library = traitlets.Unicode().tag(sync=True)
    _figure = traitlets.Unicode().tag(sync=True)
    _label = traitlets.Unicode().tag(sync=True)
    _height = traitlets.Int(0).tag(sync=True)

    def __init__(self, figure: ipywidgets.Text, **traits: Any) -> None:
        self.text = figure
        super().__init__(_figure=figure.model_id, **traits)

    def close(self) -> None:
        """Let go of both widgets."""
        close_whole(self.text)
        super().close()


class Canvas:
    """A live figure with a fixed number of places for traces.

    Args:
        layout: the figure's layout.
        places: the trace that each place holds at first; later ones need to name what changes.
        label: what a screen reader says the figure is.
    """

    def __init__(self, layout: Spec, places: Sequence[Spec], *, label: str = "figure") -> None:
        self._layout = dict(layout)
        self._shown: list[Spec] = [dict(place) for place in places]
        self._given: list[Spec] = list(places)
        self._places = [encoded(place) for place in places]
        self._frame = encoded(self._layout)
        self._figure = ipywidgets.Text(value=self._json())
        self.widget = _Plot(
            self._figure,
            _library=_library().model_id,
            _label=label,
            _height=layout.get("height", 0),
        )

    @property
    def traces(self) -> list[Spec]:
        """What is drawn now, place by place."""
        return list(self._shown)

    def draw(self, traces: Mapping[int, Spec], layout: Mapping[str, Any] | None = None) -> None:
        """Show `traces[i]` in place i and nothing in the others, in one message to the page.

        A trace that is the same object as the last time is taken to be the same. `layout` names
        axes and other parts of the layout, each with the properties that change.
        """
        for index, shown in enumerate(self._shown):
            given = traces.get(index, _EMPTY)
            if given is not self._given[index]:
                self._given[index] = given
                shown.update(given)
                self._places[index] = encoded(shown)
        for name, changes in (layout or {}).items():
            self._layout[name] = {**self._layout.get(name, {}), **changes}
        if layout:
            self._frame = encoded(self._layout)
        self._figure.value = self._json()

    def close(self) -> None:
        """Let go of the widgets."""
        self.widget.close()

    def _json(self) -> str:
        return f'{{"data":[{",".join(self._places)}],"layout":{self._frame}}}'


def encoded(spec: Spec) -> str:
    """Write a part of a figure as JSON."""
    try:
        return json.dumps(spec, default=_listed, allow_nan=False, separators=(",", ":"))
    except ValueError:  # NaN or infinity somewhere in it
        return json.dumps(plain(spec), separators=(",", ":"))


def _listed(value: Any) -> Any:
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    raise TypeError(f"a figure cannot hold a {type(value).__name__}")


def plain(value: Any) -> Any:
    """Turn arrays into lists, and what JSON does not know (NaN, infinity) into None."""
    if isinstance(value, np.ndarray):
        listed = value.tolist()
        return listed if np.isfinite(value).all() else plain(listed)
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
