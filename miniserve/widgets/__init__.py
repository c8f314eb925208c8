"""The notebooks' face: panels on a running server, and the figures in them.

Figures are pure functions (data in, Plotly figure out). Panels wire them to sliders and to a live
server. Nothing below imports this package.
"""
