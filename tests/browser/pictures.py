"""`make pictures`: the README's pictures, photographed in JupyterLab.

What they show is computed on the virtual clock with the measured step cost, or was saved by the
standard load test, so the same repository gives the same pictures.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from PIL import Image

from miniserve.paths import DATA_DIR
from tests.browser.lab import Opener, chromium, find_chromium
from tests.browser.server import JupyterLab

FOLDER = DATA_DIR / "pictures"

SET_UP = """
import bisect, json
from miniserve import latency
from miniserve.paths import DATA_DIR
from miniserve.scheduler import ContinuousScheduler, StaticScheduler
from miniserve.simulator import poisson_requests
from miniserve.simulator.standard import standard_cost, standard_lengths
from miniserve.virtual_clock import run
from miniserve.widgets import *
from miniserve.widgets.load_view import LoadState
from miniserve.widgets.results import Counts

COST, LENGTHS = standard_cost(), standard_lengths()

def traced(scheduler, rate, n):
    requests, steps = list(poisson_requests(rate, LENGTHS, n, seed=2)), []
    run(scheduler, requests, COST, on_step=steps.append)
    return requests, steps
"""

LOAD = """
RATE, N = 100, 600

def computed(label, batch, **how):
    requests, steps = traced(ContinuousScheduler(batch, -2), RATE, N)
    took = [request.finish_time - request.arrival_time for request in requests]
    return Curve(label, took, mode="continuous", **how), steps

live, steps = computed(f"now: {RATE}/s, batch 8", 8, role="live")
pins = [
    computed(f"{RATE}/s, batch {batch}", batch, role="pinned", badge=badge)[0]
    for batch, badge in ((1, "A"), (2, "B"))
]
# The strips, seen five times a second as in a live panel.
ends = [step.start + step.duration for step in steps]
seen = [steps[bisect.bisect(ends, 0.2 * i)] for i in range(int(5 * ends[-1]))]
panel = LoadPanel(
    "http://127.0.0.1:9", ["a"], rate=(5, 150, RATE, 5), max_num_seqs=(1, 16, 8),
    configure=lambda **_: None, engine=object(),
    title="Arrival rate and batch size against latency",
)
panel._view.draw(LoadState(
    live=live, pins=pins, counts=Counts(offered=N, answered=N),
    strips=[[(ends[-1] - step.start, step.num_running + step.num_waiting) for step in seen],
            [(ends[-1] - step.start, step.num_waiting) for step in seen]],
    words="Pin keeps a curve, to compare it with the next setting.",
))
panel._pin.disabled = panel._unpin.disabled = False
panel"""

TIMELINE = """
sentences = [json.loads(line)["sentence"] for line in (DATA_DIR / "standard_load.jsonl").open()]
schedulers = {"static": StaticScheduler(4, -2), "continuous": ContinuousScheduler(4, -2)}
traces = {}
for mode, scheduler in schedulers.items():
    requests, traces[mode] = traced(scheduler, 100, 30)
Timeline(traces, requests=RequestInfo.of(requests, sentences), window=400)"""

RACE = """
modes = ["sync", "async", "static", "continuous"]
folder = DATA_DIR / "latency" / "raw"
race = Race.replay({mode: latency.load(folder / f"{mode}-0.csv")[0] for mode in modes})
race.player.slider.value = 0.6 * race.player.slider.max
race"""

PICTURES = {"load": LOAD, "timeline": TIMELINE, "race": RACE}


def main() -> int:
    """Make every picture."""
    path = find_chromium()
    if path is None:
        print("no Chromium: install one, or name it in MINISERVE_CHROMIUM", file=sys.stderr)
        return 1
    FOLDER.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        JupyterLab(Path(folder), Path(folder)) as lab,
        chromium(path) as browser,
    ):
        opener = Opener(browser.new_context(device_scale_factor=2), lab)
        page = opener.cells("pictures", [SET_UP, *PICTURES.values()], width=1000, height=2600)
        page.run_all()
        if errors := page.errors():
            print("\n".join(errors), file=sys.stderr)
            return 1
        page.hide_code()
        for name in PICTURES:
            panel = page.panel(name)
            panel.locator(".js-plotly-plot .main-svg").first.wait_for(state="visible")
            target = FOLDER / f"{name}.png"
            panel.screenshot(path=target)
            shrink(target)
            print(f"{target.name}: {target.stat().st_size / 1e3:.0f} kB")
        opener.close()
    return 0


def shrink(path: Path) -> None:
    """Write a picture again with a palette of 128 colours: a third of the bytes, the same look."""
    with Image.open(path) as image:
        small = image.convert("RGB").quantize(128, dither=Image.Dither.NONE)
    small.save(path, optimize=True)


if __name__ == "__main__":
    sys.exit(main())
