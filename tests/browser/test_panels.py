"""Each panel in a real JupyterLab, moved by keys and mouse; its curves must follow the theory."""

from typing import Any

import pytest

from tests.browser import need_playwright

need_playwright()

from playwright.sync_api import Locator  # noqa: E402

from tests.browser.lab import NotebookPage, Opener  # noqa: E402

SET_UP = """
import threading
import time
from miniserve.queueing import Lengths
from miniserve.scheduler import ContinuousScheduler, Request, StaticScheduler
from miniserve.stepcost import StepCost
from miniserve.virtual_clock import run
from miniserve.widgets import *
from tests.fake_serving import SENTENCES, FakeServing
from tests.virtual_runs import virtual_preview, virtual_race

# Steps that sleep so long that theory's effects are seconds; a busy machine adds milliseconds.
STEP_S = 0.010
COST = StepCost(STEP_S, 0.0, 0.0)
LENGTHS = Lengths.uniform(3, 2, 20)
"""

# A load that was stopped lets what is in flight end, and that takes a busy machine a while.
LOADS = """
def loads():
    return [t.name for t in threading.enumerate() if t.name.startswith("miniserve-")]

deadline = time.monotonic() + 15.0
while loads() and time.monotonic() < deadline:
    time.sleep(0.05)
print(loads())
"""


ANSWERS = 20

P50 = """
    const p50 = document.querySelector('.miniserve-load .js-plotly-plot')?.data?.find(
        trace => trace.mode === 'markers+text' && trace.x.length
            && (trace.name ?? '').startsWith('now: ') && trace.name.includes(words))?.x[0];
"""


def figure_of(panel: Locator) -> list[dict[str, Any]]:
    """The traces that Plotly has drawn in a panel."""
    traces: list[dict[str, Any]] = panel.locator(".js-plotly-plot").first.evaluate(
        """plot => plot.data.map((trace, index) => ({
            name: trace.name ?? '', mode: trace.mode ?? trace.type,
            x: Array.from(plot._fullData[index].x ?? []),
            y: Array.from(plot._fullData[index].y ?? []),
        }))"""
    )
    return traces


def wait_drawn(page: NotebookPage, panel: Locator) -> None:
    panel.locator(".js-plotly-plot .main-svg").first.wait_for(state="visible")


def live_p50(
    page: NotebookPage, words: str, *, above_ms: float = 0.0, below_ms: float = 1e9
) -> float:
    """Wait until the live curve of a setting stands where it should; return its p50 in ms.

    It must stand on some answers, says the table, and Plotly must have drawn it.
    """
    page.wait_for(
        f"a live curve of {words} with its p50 between {above_ms:g} and {below_ms:g} ms",
        "([words, answers, above, below]) => {"
        + P50
        + """
            const row = document.querySelector('.miniserve-load .miniserve-table tbody tr');
            const label = row?.querySelector('th')?.innerText ?? '';
            const n = parseInt(row?.querySelector('td:last-child')?.innerText ?? '0');
            return label.includes('now: ') && label.includes(words) && n >= answers
                && above < p50 && p50 < below;
        }""",
        arg=[words, ANSWERS, above_ms, below_ms],
        timeout_s=120,
    )
    return float(page.page.evaluate("words => {" + P50 + " return p50; }", words))


def slide(page: NotebookPage, panel: Locator, name: str, keys: list[str]) -> None:
    panel.locator(f".miniserve-{name} .noUi-handle").focus()
    for key in keys:
        page.page.keyboard.press(key)


def drag_to_end(page: NotebookPage, panel: Locator, name: str) -> None:
    """Take a slider's handle with the mouse and pull it to the right end."""
    slider = panel.locator(f".miniserve-{name}")
    handle = slider.locator(".noUi-handle").bounding_box()
    track = slider.locator(".noUi-target").bounding_box()
    assert handle is not None
    assert track is not None
    middle = handle["y"] + handle["height"] / 2
    page.page.mouse.move(handle["x"] + handle["width"] / 2, middle)
    page.page.mouse.down()
    page.page.mouse.move(track["x"] + track["width"] + 20, middle, steps=6)
    page.page.mouse.up()


# In one go: between two calls Plotly may have put new labels in place of the old ones.
TEXT_COLOUR = "getComputedStyle(document.querySelector('.miniserve-load .xtick text')).fill"


def test_load_panel(open_notebook: Opener) -> None:
    page = open_notebook.cells(
        "panel_load",
        [
            SET_UP,
            "server = FakeServing(max_num_seqs=1, step_s=STEP_S).start()",
            """
panel = LoadPanel(
    {"continuous": server}, SENTENCES, rate=(2, 42, 6, 4), max_num_seqs=(1, 8, 1),
    max_waiting=(0, 64, 40, 8), configure=server.configure, engine=server, probe="/healthz",
    little=True, preview=virtual_preview(LENGTHS, COST, http_s=0.005),
)
panel""",
            LOADS,
        ],
    )
    page.run_all()
    assert page.errors() == []
    assert page.printed(3).strip() == "[]"
    page.hide_code()
    panel = page.panel("load")
    wait_drawn(page, panel)
    computed = [t for t in figure_of(panel) if t["mode"] == "lines" and len(t["x"]) > 20]
    assert [trace["name"] for trace in computed] == ["computed on the virtual clock"]
    page.screenshot("load-first-view")

    panel.get_by_role("button", name="Run").click()
    calm = live_p50(page, "6/s")
    # A preview that follows the slider at once, and a curve that follows the server.
    slide(page, panel, "rate", ["ArrowRight"] * 6)
    crowded = live_p50(page, "30/s", above_ms=calm)  # more than one at a time can carry
    page.screenshot("load-crowded")
    panel.locator(".miniserve-button-pin").click()
    panel.locator(".miniserve-table tbody tr", has_text="A 30/s").wait_for()

    drag_to_end(page, panel, "max-num-seqs")
    live_p50(page, "batch 8", below_ms=crowded)  # a larger batch carries them
    page.screenshot("load-pinned-light")
    light = page.page.evaluate(f"() => {TEXT_COLOUR}")
    page.theme("dark")
    page.wait_for("labels in another colour", f"light => {TEXT_COLOUR} !== light", arg=light)
    page.screenshot("load-pinned-dark")
    page.theme("light")

    panel.get_by_role("button", name="Stop").click()
    page.wait_for(
        "a load that has stopped",
        "() => document.querySelector('.miniserve-load .miniserve-button-stop').disabled",
    )
    page.run_cell(3)
    assert page.printed(3).strip() == "[]"
    panel.locator(".miniserve-button-unpin").click()
    panel.locator(".miniserve-table tbody tr", has_text="A 30/s").wait_for(state="detached")

    # The cell runs again in the middle of a load: the old panel takes its load with it.
    panel.get_by_role("button", name="Run").click()
    page.wait_for(
        "a load that runs",
        "() => !document.querySelector('.miniserve-load .miniserve-button-stop').disabled",
    )
    page.run_cell(2)
    page.run_cell(3)
    assert page.printed(3).strip() == "[]"
    assert page.page.locator(".miniserve-load").count() == 1
    assert page.page_errors == []


def test_mode_chooser(open_notebook: Opener) -> None:
    page = open_notebook.cells(
        "panel_modes",
        [
            SET_UP,
            "sync = FakeServing(max_num_seqs=1, step_s=STEP_S).start()\n"
            "concurrent = FakeServing(max_num_seqs=8, step_s=STEP_S).start()",
            """
LoadPanel({"sync": sync, "async": concurrent}, SENTENCES, rate=(2, 42, 30, 4),
          preview=virtual_preview(LENGTHS, COST, modes=["sync", "async"]))""",
        ],
    )
    page.run_all()
    assert page.errors() == []
    page.hide_code()
    panel = page.panel("load")
    wait_drawn(page, panel)
    panel.get_by_role("button", name="Run").click()
    slow = live_p50(page, "sync, 30/s")
    panel.locator(".miniserve-button-pin").click()
    panel.get_by_role("button", name="async", exact=True).click()
    live_p50(page, "async, 30/s", below_ms=slow)
    page.screenshot("load-modes")
    panel.get_by_role("button", name="Stop").click()
    assert page.page_errors == []


def test_race_live(open_notebook: Opener) -> None:
    page = open_notebook.cells(
        "panel_race",
        [
            SET_UP,
            'static = FakeServing("static", step_s=STEP_S).start()\n'
            'continuous = FakeServing("continuous", step_s=STEP_S).start()',
            """
Race({"static": static, "continuous": continuous}, SENTENCES, rate=(5, 45, 25, 5), n=60,
     preview=virtual_race(LENGTHS, COST, 20.0))""",
        ],
    )
    page.run_all()
    assert page.errors() == []
    page.hide_code()
    panel = page.panel("race")
    wait_drawn(page, panel)
    assert "300" in panel.locator(".miniserve-table").inner_text()  # the computed race
    page.screenshot("race-first-view")
    panel.get_by_role("button", name="Run").click()
    panel.get_by_text("Finished.", exact=False).first.wait_for()
    page.screenshot("race-finished")
    static, continuous = (
        next(t for t in figure_of(panel) if t["name"] == mode and t["mode"] == "markers+text")
        for mode in ("static", "continuous")
    )
    assert continuous["x"][0] < static["x"][0], "nobody waits for the longest of a batch"
    assert page.page_errors == []


def test_race_replayed(open_notebook: Opener) -> None:
    page = open_notebook.cells(
        "panel_replay",
        [
            SET_UP,
            """
modes = ["sync", "async", "static", "continuous"]
# It plays for half a minute, so that even a page that lags sees its middle.
Race.replay(virtual_race(LENGTHS, COST, 20.0, modes=modes, n=200), speed=0.3)""",
        ],
    )
    page.run_all()
    assert page.errors() == []
    page.hide_code()
    panel = page.panel("race")
    wait_drawn(page, panel)
    finish = figure_of(panel)
    assert max(max(t["y"]) for t in finish if t["name"] == "continuous") == pytest.approx(1)
    page.screenshot("replay-finish")
    panel.get_by_role("button", name="Play").click()
    panel.get_by_role("button", name="Pause").wait_for()
    page.wait_for(
        "a replay in its middle",
        """() => {
            const plot = document.querySelector('.miniserve-race .js-plotly-plot');
            const line = plot.data.find(t => t.name === 'continuous' && t.mode === 'lines');
            const top = Math.max(0, ...line.y);
            return top > 0.03 && top < 0.95;
        }""",
    )
    panel.get_by_role("button", name="Pause").click()
    page.screenshot("replay-middle")
    # The scrubber by keyboard, back to the beginning: nothing has been answered yet.
    slide(page, panel, "scrubber", ["Home"])
    page.wait_for(
        "an empty figure at the beginning of the replay",
        """() => document.querySelector('.miniserve-race .js-plotly-plot').data
            .filter(t => t.mode === 'lines').every(t => t.x.length === 0)""",
    )
    assert page.page_errors == []


def test_timeline(open_notebook: Opener) -> None:
    page = open_notebook.cells(
        "panel_timeline",
        [
            SET_UP,
            """
def trace(scheduler):
    steps = []
    requests = [Request(f"r{i}", range(4), 2 + 7 * i % 17, 0.03 * i) for i in range(30)]
    run(scheduler, requests, COST, on_step=steps.append)
    return steps, RequestInfo.of(requests, SENTENCES * 5)

static, infos = trace(StaticScheduler(4, -2))
continuous, _ = trace(ContinuousScheduler(4, -2))""",
            'Timeline({"static": static, "continuous": continuous}, requests=infos)',
        ],
    )
    page.run_all()
    assert page.errors() == []
    page.hide_code()
    panel = page.panel("timeline")
    wait_drawn(page, panel)
    page.screenshot("timeline-light")
    page.theme("dark")
    page.screenshot("timeline-dark")
    page.theme("light")
    assert "wasted so far 0 of" in panel.inner_text()  # the continuous one

    # The longest block on the page: point at its middle.
    blocks = panel.locator(".js-plotly-plot .bars .point path")
    boxes = [box for box in (b.bounding_box() for b in blocks.all()) if box is not None]
    longest = max(boxes, key=lambda box: box["width"])
    page.page.mouse.move(
        longest["x"] + longest["width"] / 2, longest["y"] + longest["height"] / 2, steps=4
    )
    hover = panel.locator(".hoverlayer .hovertext")
    hover.first.wait_for()
    assert "waited" in (hover.first.text_content() or "")
    assert "asked" in (hover.first.text_content() or "")
    page.screenshot("timeline-hover")

    slide(page, panel, "scrubber", ["Home"])
    panel.get_by_text("nothing has run yet").first.wait_for()
    panel.get_by_role("button", name="Play").click()
    page.wait_for(
        "a timeline that grows",
        """() => document.querySelector('.miniserve-timeline .js-plotly-plot').data[0].x
            .filter(length => length !== null).length > 5""",
    )
    assert page.page_errors == []


def test_try_it(open_notebook: Opener) -> None:
    page = open_notebook.cells(
        "panel_try_it", [SET_UP, "server = FakeServing().start()", "TryIt(server)"]
    )
    page.run_all()
    assert page.errors() == []
    page.hide_code()
    panel = page.panel("try-it")
    box = panel.locator(".miniserve-sentence input")
    box.fill("She goed home.")
    box.press("Enter")
    panel.locator("ins", has_text="went").wait_for()
    assert panel.locator("del").inner_text() == "goed"
    assert panel.locator(".miniserve-bar > div").count() == 4
    page.screenshot("try-it")
    panel.get_by_role("button", name="They was tired after the trip.").click()
    panel.locator("ins", has_text="were").wait_for()
    assert page.page_errors == []


def test_figures(open_notebook: Opener) -> None:
    page = open_notebook.cells(
        "panel_figures",
        [
            SET_UP,
            """
runs = virtual_race(LENGTHS, COST, 20.0)
show_cdf([Curve.of(mode, records, mode=mode) for mode, records in runs.items()])""",
            """
rho = [i / 20 for i in range(1, 20)]
show_lines(
    [Line("M/M/1", rho, [20 * r / (1 - r) for r in rho], style="theory"),
     Line("measured", rho[::4], [21 * r / (1 - r) for r in rho[::4]], style="points")],
    x_title="utilisation ρ", y_title="mean wait (ms)", title="The knee")""",
            """
steps = []
requests = [Request(f"r{i}", range(4), 2 + 7 * i % 17, 0.0) for i in range(12)]
run(StaticScheduler(4, -2), requests, COST, on_step=steps.append)
show_timeline(steps, title="Three static batches")""",
        ],
    )
    page.run_all()
    assert page.errors() == []
    page.hide_code()
    for number, name in enumerate(("cdf", "lines", "timeline")):
        panel = page.panel("picture", number)
        wait_drawn(page, panel)
        page.screenshot(f"figure-{name}", panel)
        assert any(len(trace["x"]) for trace in figure_of(panel))
    assert page.page_errors == []
