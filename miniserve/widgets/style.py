"""What the panels look like: one style sheet, in the colours of the page's own theme."""

from __future__ import annotations

import ipywidgets

STYLE = """<style>
.miniserve-panel {
  --text: var(--jp-ui-font-color1, #7a7a7a); --soft: var(--jp-ui-font-color2, #7a7a7a);
  --line: var(--jp-border-color2, rgba(128, 128, 128, .4));
  border: 1px solid var(--line); border-radius: 6px; padding: 10px 12px; margin: 4px 0;
  max-width: 1040px; box-sizing: border-box; color: var(--text); overflow: hidden;
}
.miniserve-panel .miniserve-title { font-weight: 600; font-size: 14px; color: var(--text); }
.miniserve-panel .widget-html-content { line-height: 1.45; color: var(--text); }
.miniserve-panel svg [class$=tick] text, .miniserve-panel svg [class$=title],
.miniserve-panel svg .annotation-text, .miniserve-panel svg .legendtext,
.miniserve-panel svg .textpoint text { fill: var(--text) !important; }
.miniserve-panel svg .textpoint text { paint-order: stroke; stroke-width: 4px;
  stroke: var(--jp-layout-color0, transparent); stroke-linejoin: round; }
.miniserve-panel .miniserve-note { color: var(--soft); font-size: 13px; font-weight: 400; }
.miniserve-panel .miniserve-warning { color: var(--text); font-size: 13px;
  border-left: 4px solid #D55E00; padding-left: 8px; }
.miniserve-panel .miniserve-counts { font-size: 13px; font-variant-numeric: tabular-nums; }
.miniserve-panel .miniserve-counts b { font-weight: 600; }
.miniserve-table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums;
  color: var(--text); width: 100%; }
.miniserve-table th, .miniserve-table td { padding: 2px 10px 2px 0; text-align: right;
  border: 0; white-space: nowrap; background: none; color: var(--text); }
.miniserve-table th[scope=row], .miniserve-table th:first-child { text-align: left;
  font-weight: 400; width: 60%; white-space: normal; }
.miniserve-table thead th { color: var(--soft); font-weight: 400; }
.miniserve-table tbody tr { border-top: 1px solid var(--line); background: none !important; }
.miniserve-table .miniserve-faint { color: var(--soft); }
.miniserve-chip { margin-right: 8px; vertical-align: middle; }
.miniserve-answer { font-size: 16px; margin: 6px 0 2px; }
.miniserve-old { color: var(--soft); text-decoration: line-through; }
.miniserve-new { font-weight: 700; text-decoration: underline; text-decoration-thickness: 3px;
  text-decoration-color: #009E73; text-underline-offset: 3px; }
.miniserve-bar { display: flex; height: 24px; margin: 10px 0 4px; border-radius: 4px;
  overflow: hidden; font-size: 12px; line-height: 24px; text-align: center; }
.miniserve-bar > div { overflow: hidden; white-space: nowrap; min-width: 2px; }
.miniserve-key { display: flex; flex-wrap: wrap; gap: 2px 18px; font-size: 13px; }
.miniserve-key i { display: inline-block; width: 11px; height: 11px; margin-right: 6px;
  border-radius: 2px; }
.miniserve-panel .widget-readout { color: var(--text); }
.miniserve-panel .widget-label { color: var(--text); }
.miniserve-panel button:focus-visible, .miniserve-panel .noUi-handle:focus-visible {
  outline: 2px solid var(--jp-brand-color1, #0072B2); outline-offset: 1px; }
</style>"""


def framed(*parts: ipywidgets.Widget, title: str = "") -> ipywidgets.VBox:
    """Return a frame around the parts of a panel, with the style sheet inside."""
    head = f"<div class='miniserve-title'>{title}</div>" if title else ""
    box = ipywidgets.VBox([ipywidgets.HTML(STYLE + head), *parts])
    box.add_class("miniserve-panel")
    return box
