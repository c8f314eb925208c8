"""The notebooks' face: panels on a running server, and the figures in them.

Figures are pure functions (data in, Plotly figure out). Panels wire them to sliders and to a live
server. Nothing below imports this package.
"""

from miniserve.widgets.answer import Answer
from miniserve.widgets.controls import Setting
from miniserve.widgets.curves import Curve
from miniserve.widgets.lines import Line
from miniserve.widgets.load import LoadPanel
from miniserve.widgets.picture import show_cdf, show_lines, show_timeline
from miniserve.widgets.predict import Predict
from miniserve.widgets.race import Race
from miniserve.widgets.results import LoadResults
from miniserve.widgets.segments import RequestInfo
from miniserve.widgets.timeline import Timeline
from miniserve.widgets.tryit import TryIt

__all__ = [
    "Answer",
    "Curve",
    "Line",
    "LoadPanel",
    "LoadResults",
    "Predict",
    "Race",
    "RequestInfo",
    "Setting",
    "Timeline",
    "TryIt",
    "show_cdf",
    "show_lines",
    "show_timeline",
]
