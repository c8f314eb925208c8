"""A Plotly figure on the page that is brought up to date, a few times a second, at little cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from miniserve.widgets.figures import Spec

_DATA = frozenset({"x", "y", "text"})
_EMPTY: Spec = {"x": [], "y": [], "text": []}


class Canvas:
    """A live figure with a fixed number of places for traces.

    Traces are neither added nor removed while the figure is on the page, because that would redraw
    all of it; a place that is not used holds an empty trace.

    Args:
        layout: the figure's layout.
        places: the trace that each place holds at first.
    """

    def __init__(self, layout: Spec, places: Sequence[Spec]) -> None:
        self.widget = go.FigureWidget(data=list(places), layout=layout)
        self.widget._config = {"displayModeBar": False, "responsive": True}
        # Plotly checks every property that it is given; most have not changed since the last frame.
        self._shown: list[Spec] = [dict(place) for place in places]

    def draw(self, traces: Mapping[int, Spec], layout: Mapping[str, Any] | None = None) -> None:
        """Show `traces[i]` in place i and nothing in the others.

        Data goes to the page in one message. A message must name the same properties for each of
        its traces: a property that is left out for one of them would be deleted in the page's copy.
        So what rarely changes (colours, names) is sent trace by trace.
        """
        moved: dict[int, Spec] = {}
        for index, shown in enumerate(self._shown):
            wanted = traces.get(index, _EMPTY if len(shown.get("x", ())) else {})
            changed = {k: v for k, v in wanted.items() if not _same(v, shown.get(k))}
            if style := {k: v for k, v in changed.items() if k not in _DATA}:
                with self.widget.batch_update():
                    self.widget.data[index].update(style)
            if data := {k: v for k, v in changed.items() if k in _DATA}:
                moved[index] = data
            shown.update(changed)
        if moved or layout:
            keys = sorted({key for data in moved.values() for key in data})
            self.widget.plotly_update(
                restyle_data={k: [self._shown[i].get(k, []) for i in moved] for k in keys},
                relayout_data=_flat(layout or {}),
                trace_indexes=list(moved),
            )


def _flat(layout: Mapping[str, Any], prefix: str = "") -> Spec:
    """Name nested properties with dots, as an update wants them."""
    flat: Spec = {}
    for key, value in layout.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return other is not None and np.array_equal(one, other)
    return bool(one == other)
