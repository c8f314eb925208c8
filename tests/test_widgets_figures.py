"""The pure parts of the widgets: curves, figures, stills, timeline blocks, an answer's HTML."""

import itertools
import json
import math
import re
from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
import pytest

from miniserve.latency import LatencyRecord
from miniserve.palette import (
    LINE_COLOURS,
    MATPLOTLIB_DASHES,
    MODE_COLOURS,
    REQUEST_COLOURS,
    darker,
    ink,
)
from miniserve.scheduler import ContinuousScheduler, Request, Scheduler, StaticScheduler
from miniserve.stepcost import StepCost
from miniserve.trace import StepEntry, StepRecord
from miniserve.virtual_clock import run
from miniserve.widgets import (
    Curve,
    Line,
    RequestInfo,
    show_cdf,
    show_lines,
    show_timeline,
)
from miniserve.widgets.answer import Answer, answer_html, marked, read_parts, time_bar
from miniserve.widgets.canvas import Canvas, plain
from miniserve.widgets.curves import MAX_POINTS, Role, curve_table, ms
from miniserve.widgets.figures import cdf_figure, cdf_traces, latency_axis, nice_ceiling
from miniserve.widgets.lines import line_colours, lines_figure
from miniserve.widgets.little import little_line, measure
from miniserve.widgets.panel import png
from miniserve.widgets.preview import record_of
from miniserve.widgets.race_view import finish_of, lanes_at, spread_ms
from miniserve.widgets.segments import colour_numbers, hover_text, progress, segments
from miniserve.widgets.stills import cdf_still
from miniserve.widgets.timeline_figure import make_tracks, timeline_figure, track_trace

COST = StepCost(a=0.001, b=0.0001, c=0.00005)


def record(at: float, took: float | None, status: int = 200) -> LatencyRecord:
    done = None if took is None else at + took
    return LatencyRecord(at, at, done, done, status, None if took else "timeout", f"r{at}")


def trace_of(scheduler: Scheduler, lengths: Sequence[int], gap_s: float = 0.0) -> list[StepRecord]:
    requests = [Request(f"r{i}", range(4), n, i * gap_s) for i, n in enumerate(lengths)]
    steps: list[StepRecord] = []
    run(scheduler, requests, COST, on_step=steps.append)
    return steps


def test_a_curve_rises_to_the_share_that_was_answered() -> None:
    curve = Curve.of("run", [record(i, 0.01 * (i + 1)) for i in range(3)] + [record(3, 0.1, 503)])
    x, share = curve.points()
    assert x.tolist() == pytest.approx([10, 20, 30])
    assert share.tolist() == [0.25, 0.5, 0.75]
    assert curve.n == 3
    assert curve.percentile(0.5).value == pytest.approx(0.02)
    assert curve.share_at(0.5) == pytest.approx(0.375)


def test_thinning_a_curve_keeps_its_ends_and_its_tail() -> None:
    values = np.random.default_rng(0).exponential(0.1, 5000)
    x, share = Curve("long", values).points()
    assert len(x) <= MAX_POINTS
    assert x[0] == pytest.approx(1e3 * values.min())
    assert x[-1] == pytest.approx(1e3 * values.max())
    assert share[-1] == 1.0
    assert np.all(np.diff(x) >= 0)
    # What was thinned out may not be missed: between two kept points F moves by little.
    assert np.max(np.diff(share)) < 0.02
    np.testing.assert_allclose(share[-20:], np.arange(4981, 5001) / 5000)


def test_a_percentile_with_too_few_samples_is_marked() -> None:
    table = curve_table([Curve("few", [0.1] * 100), Curve("many", [0.2] * 2000)])
    few, many = re.findall(r"<tr><th scope='row'>.*?</tr>", table)
    assert few.count("miniserve-faint") == 2  # p95 and p99 of 100 samples
    assert "~100 ms" in few
    assert "miniserve-faint" not in many


def test_a_table_escapes_labels_and_says_what_was_lost() -> None:
    table = curve_table([Curve("<b>", [0.1] * 30, offered=40, badge="A", role="pinned")])
    assert "&lt;b&gt;" in table
    assert "30 of 40" in table
    assert "<b>A</b>" in table


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.0083, "8.3 ms"), (0.124, "124 ms"), (1.25, "1.25 s"), (math.nan, "–"), (0.00996, "10 ms")],
)
def test_times_are_written_as_people_say_them(seconds: float, words: str) -> None:
    assert ms(seconds) == words


def test_a_cdf_figure_marks_its_percentiles_in_the_modes_colour() -> None:
    values = np.linspace(0.01, 1.0, 2000)
    figure = cdf_figure([Curve("static", values, mode="static"), Curve("sync", [], mode="sync")])
    line, marks, empty, no_marks = figure.data
    assert line.line.color == MODE_COLOURS["static"]
    assert line.line.shape == "hv"
    np.testing.assert_allclose(marks.x, 1e3 * np.quantile(values, [0.5, 0.95, 0.99]))
    np.testing.assert_allclose(marks.y, [0.5, 0.95, 0.99])
    assert len(set(marks.marker.symbol)) == 3
    assert len(empty.x) == len(no_marks.x) == 0
    assert figure.layout.xaxis.type == "log"
    assert all(tick.endswith((" ms", " s")) for tick in figure.layout.xaxis.ticktext)
    assert figure.layout.paper_bgcolor == figure.layout.plot_bgcolor == "rgba(0, 0, 0, 0)"


def test_marks_that_lie_together_have_one_label() -> None:
    refused_most = Curve("busy", [0.1 + 0.001 * i for i in range(100)], offered=1000)
    _, marks = cdf_traces(refused_most, labelled=True)
    assert [bool(text) for text in marks["text"]] == [False, True, False]
    assert marks["text"][1].startswith("p95")


def test_only_a_labelled_curve_says_its_numbers() -> None:
    curve = Curve("now", [0.1] * 1000, mode="static", role="live")
    _, marks = cdf_traces(curve, labelled=True)
    assert marks["text"] == ["p50 100 ms", "p95 100 ms", "p99 100 ms"]
    _, marks = cdf_traces(curve)
    assert marks["text"] == ["", "", ""]
    _, far = cdf_traces(Curve("late", [8.0] * 1000), labelled=True)
    assert far["text"] == ["p50", "p95", "p99"]  # values would be cut off at the edge


def test_a_latency_axis_has_round_ticks_inside_its_range() -> None:
    made = latency_axis((3, 10_000))
    assert made["ticktext"] == ["3 ms", "10 ms", "30 ms", "100 ms", "300 ms", "1 s", "3 s", "10 s"]
    assert made["range"] == pytest.approx([math.log10(3), 4])


@pytest.mark.parametrize(
    ("value", "top"), [(0, 5), (5, 5), (5.1, 10), (12, 20), (21, 50), (99, 100)]
)
def test_axes_end_at_round_numbers(value: float, top: float) -> None:
    assert nice_ceiling(value) == top


def test_lines_take_the_modes_colours_and_else_others() -> None:
    lines = [Line("a", [1], [2]), Line("b", [1], [2], mode="static"), Line("c", [1], [2])]
    colours = line_colours(lines)
    assert colours == [LINE_COLOURS[0], MODE_COLOURS["static"], LINE_COLOURS[1]]
    assert not set(LINE_COLOURS) & set(MODE_COLOURS.values())


def test_a_plot_of_lines_has_titles_and_bars_of_uncertainty() -> None:
    line = Line("seen", [1, 2], [10, 20], style="points", low=[9, 17], high=[12, 21])
    figure = lines_figure([line], x_title="rate (1/s)", y_title="p95 (ms)", log_y=True)
    assert figure.data[0].mode == "markers"
    np.testing.assert_allclose(figure.data[0].error_y.array, [2, 1])
    np.testing.assert_allclose(figure.data[0].error_y.arrayminus, [1, 3])
    assert figure.layout.yaxis.type == "log"
    assert figure.layout.xaxis.title.text == "rate (1/s)"


def step(number: int, *entries: StepEntry) -> StepRecord:
    return StepRecord(number, 0.1 * number, 0.1, entries, len(entries), 0)


def test_consecutive_entries_become_one_block() -> None:
    trace = [
        step(0, StepEntry("a", 0, "prefill", 4), StepEntry("b", 1, "prefill", 3)),
        step(1, StepEntry("a", 0, "decode", 1), StepEntry("b", 1, "decode", 1)),
        step(2, StepEntry("a", 0, "decode", 1), StepEntry("b", 1, "padding", 1)),
        step(3, StepEntry("c", 0, "prefill", 2)),
    ]
    got = [(s.request_id, s.kind, s.first, s.last, s.num_tokens) for s in segments(trace)]
    assert got == [
        ("a", "prefill", 0, 0, 4),
        ("b", "prefill", 0, 0, 3),
        ("a", "decode", 1, 2, 2),
        ("b", "decode", 1, 1, 1),
        ("b", "padding", 2, 2, 1),
        ("c", "prefill", 3, 3, 2),
    ]


def test_a_gap_in_the_trace_ends_a_block() -> None:
    trace = [step(0, StepEntry("a", 0, "decode", 1)), step(2, StepEntry("a", 0, "decode", 1))]
    assert [(s.first, s.last) for s in segments(trace)] == [(0, 0), (2, 2)]


@pytest.mark.parametrize("scheduler", [StaticScheduler(3, -2), ContinuousScheduler(3, -2)])
def test_blocks_account_for_every_row_of_a_run(scheduler: Scheduler) -> None:
    trace = trace_of(scheduler, [3, 9, 2, 5, 7, 1, 4], gap_s=0.002)
    blocks = segments(trace)
    rows = sum(block.last - block.first + 1 for block in blocks)
    assert rows == sum(record.batch for record in trace)
    wasted = sum(b.last - b.first + 1 for b in blocks if b.kind == "padding")
    assert wasted == sum(record.num_wasted for record in trace)
    assert (wasted > 0) == isinstance(scheduler, StaticScheduler)
    # No two blocks may lie on top of each other.
    for slot in range(3):
        mine = sorted((b.first, b.last) for b in blocks if b.slot == slot)
        assert all(left[1] < right[0] for left, right in itertools.pairwise(mine))


def test_the_same_request_has_the_same_colour_in_both_traces() -> None:
    static = trace_of(StaticScheduler(2, -2), [3, 9, 2, 5])
    continuous = trace_of(ContinuousScheduler(2, -2), [3, 9, 2, 5])
    one, other = make_tracks({"static": static, "continuous": continuous}, "time")
    for track in (one, other):
        for block, colour in zip(track.blocks, track.colours, strict=True):
            plain_colour = REQUEST_COLOURS[int(block.request_id[1:])]
            assert colour == (darker(plain_colour) if block.kind == "prefill" else plain_colour)
    assert colour_numbers(one.blocks, other.blocks) == {"r0": 0, "r1": 1, "r2": 2, "r3": 3}


def test_a_timeline_hatches_padding_and_cuts_off_the_future() -> None:
    trace = trace_of(StaticScheduler(2, -2), [2, 6])
    (track,) = make_tracks({"": trace}, "step")
    figure = timeline_figure([track], (0, 6))
    shapes = figure.data[0].marker.pattern.shape
    kinds = [block.kind for block in track.blocks]
    assert [shape == "/" for shape in shapes] == [kind == "padding" for kind in kinds]
    assert "padding" in kinds
    cut = track_trace(track, 1, until=1.0)
    seen = [length for length in cut["x"] if length is not None]
    assert len(seen) == 2  # both prompts, and nothing that came later
    assert all(
        start + length <= 1.0
        for start, length in zip(cut["base"], cut["x"], strict=True)
        if length is not None
    )


def test_traces_that_overlap_in_time_share_their_zero() -> None:
    a = trace_of(StaticScheduler(2, -2, max_wait_s=0.01), [3])
    b = trace_of(ContinuousScheduler(2, -2), [3, 9])
    late = [StepRecord(r.step, r.start + 100, r.duration, r.entries, 1, 0) for r in b]
    together = make_tracks({"a": a, "b": b}, "time")
    assert together[0].origin == together[1].origin == 0.0
    apart = make_tracks({"a": a, "late": late}, "time")
    assert apart[0].starts[0] == apart[1].starts[0] == 0.0


def test_hovering_says_sentence_wait_and_output() -> None:
    trace = trace_of(ContinuousScheduler(1, -2), [2, 2])
    request = Request("r1", range(4), 2, 0.0)
    request.output_token_ids.extend([5, 6])
    info = RequestInfo.of([request], ["She goed home."])
    block = next(b for b in segments(trace) if b.request_id == "r1")
    text = hover_text(block, block.start, info)
    assert "She goed home." in text
    assert f"waited: {ms(block.start)}" in text
    assert "2 tokens" in text
    assert "prefill" in text
    named = RequestInfo.of([request], ["She goed home."], ["She went home.\nIrregular."])
    assert "She went home. / Irregular." in hover_text(block, block.start, named)


def test_progress_counts_the_waste_so_far() -> None:
    trace = trace_of(StaticScheduler(2, -2), [1, 4])
    end = progress(trace, 99, "step")
    assert (end.rows, end.wasted) == (8, 3)
    assert "wasted so far 3 of 8 rows (38%)" in str(end)
    assert progress(trace, 0, "step").step is None
    assert progress(trace, trace[1].start + 1e-9, "time").step == trace[1]


def test_lanes_show_a_race_at_one_moment() -> None:
    runs = {"static": [record(0.0, 0.1), record(1.0, 0.5), record(2.0, 0.1, 503)]}
    (lane,) = lanes_at(runs, 1.2, {"static": 3})
    assert (lane.curve.n, lane.in_flight, lane.lost) == (1, 1, 0)
    assert lane.curve.points()[1].tolist() == pytest.approx([1 / 3])
    (end,) = lanes_at(runs, finish_of(runs), {"static": 3})
    assert (end.curve.n, end.in_flight, end.lost) == (2, 0, 1)
    unanswered = {"static": [record(0.0, 0.1), record(5.0, None, status=0)]}
    assert finish_of(unanswered) == 5.0


def test_a_race_chooses_an_axis_that_holds_all_runs() -> None:
    runs = {"a": [record(0, 0.012)], "b": [record(0, 2.5)]}
    assert spread_ms(runs) == (10, 3000)
    assert spread_ms({"a": []}) == (3.0, 10_000.0)


def test_littles_law_holds_on_an_even_run() -> None:
    records = [record(0.1 * i, 0.3) for i in range(200)]
    little = measure(records, now=20.0)
    assert little is not None
    assert pytest.approx(3.0, rel=0.05) == little.L
    assert little.product == pytest.approx(little.L, rel=0.05)
    assert "λ·W" in little_line(little)
    assert measure(records[:5], now=0.6) is None
    assert "few seconds" in little_line(None)


def test_littles_law_counts_who_was_inside_already() -> None:
    before, after = (
        [record(0.1 * i, 3.0) for i in range(50)],
        [record(5 + i, 3.0) for i in range(20)],
    )
    little = measure(after, now=25.0, everybody=[*before, *after])
    assert little is not None
    assert little.carried_in_s == pytest.approx(30 * 3.0 / 2, rel=0.1)
    assert pytest.approx(little.product + little.correction) == little.L


def test_changed_words_are_marked() -> None:
    html = marked("She <goed> home.", "She went home.")
    assert html == (
        "She <del class='miniserve-old'>&lt;goed&gt;</del> "
        "<ins class='miniserve-new'>went</ins> home."
    )
    assert marked("All is well.", "All is well.") == "All is well."
    assert "nothing to correct" in answer_html(Answer("Fine.", "Fine.", "Nothing is wrong."))


def test_the_time_bar_adds_up() -> None:
    parts = read_parts("queue;dur=10.0, prefill;dur=20.0, decode;dur=60.0, other;dur=5", 0.1)
    assert parts == pytest.approx({"queue": 0.01, "prefill": 0.02, "decode": 0.06, "http": 0.01})
    bar = time_bar(Answer("a", "b", parts=parts))
    shares = [float(share) for share in re.findall(r"width:([\d.]+)%", bar)]
    assert sum(shares) == pytest.approx(100)
    assert shares == pytest.approx([10, 20, 60, 10])
    assert read_parts("", 0.1) == {"http": 0.1}


def test_a_problem_is_shown_as_words() -> None:
    html = answer_html(Answer("x", problem="HTTP 503. <Queue full>"))
    assert "&lt;Queue full&gt;" in html
    assert "miniserve-warning" in html


def test_a_canvas_travels_as_plain_json() -> None:
    canvas = Canvas({"height": 200, "xaxis": {"range": [0, 1]}}, [{"type": "scatter"}] * 2)
    canvas.draw(
        {1: {"x": np.array([1.0, math.nan]), "y": [1, math.inf]}}, {"xaxis": {"range": [0, 9]}}
    )
    sent = json.loads(canvas._figure.value)
    assert sent["data"][0]["x"] == []
    assert sent["data"][1] == {"type": "scatter", "x": [1.0, None], "y": [1, None]}
    assert sent["layout"] == {"height": 200, "xaxis": {"range": [0, 9]}}
    canvas.draw({})
    assert json.loads(canvas._figure.value)["data"][1]["x"] == []
    assert plain({"a": (np.float64(2), [np.int64(3)])}) == {"a": [2.0, [3]]}
    canvas.close()


def test_two_canvases_share_one_copy_of_plotly() -> None:
    one, other = Canvas({}, []), Canvas({}, [])
    assert one.widget._library == other.widget._library
    assert one.widget._figure != other.widget._figure


def test_black_or_white_is_chosen_to_be_read() -> None:
    assert ink("#F0E442") == "black"
    assert ink("#0072B2") == "white"


def test_pictures_have_a_widget_a_still_and_fixed_words() -> None:
    trace = trace_of(StaticScheduler(2, -2), [1, 4])
    pictures = [
        show_cdf([Curve("static", [0.1, 0.2], mode="static")], title="One"),
        show_lines([Line("a", [1, 2], [3, 4])], x_title="x", y_title="y", title="Two"),
        show_timeline({"static": trace}, title="Three"),
    ]
    for picture, title in zip(pictures, ("One", "Two", "Three"), strict=True):
        bundle, _ = picture._repr_mimebundle_()
        assert bundle["text/plain"] == f"Figure: {title}"
        assert "image/png" in bundle
        assert isinstance(picture.figure, go.Figure)
        assert png(picture.picture()).startswith(b"\x89PNG")


def test_a_still_of_a_slow_run_has_ticks_to_its_end() -> None:
    axes = cdf_still([Curve("slow", [20.0] * 30)], range_ms=(3.0, 100_000.0)).axes[0]
    written = [label.get_text() for label in axes.get_xticklabels()]
    assert written[-3:] == ["10 s", "30 s", "100 s"]
    axis = latency_axis((3.0, 100_000.0))
    assert [axis["tickvals"], axis["ticktext"]] == [axes.get_xticks().tolist(), written]


@pytest.mark.parametrize("role", ["live", "saved", "pinned", "preview", "before"])
def test_a_curve_has_the_same_dash_in_its_figure_its_still_and_its_table(role: Role) -> None:
    curve = Curve("run", [0.1] * 30, mode="static", role=role)
    dash = cdf_traces(curve)[0]["line"]["dash"]
    assert dash == {"live": "solid", "pinned": "dash", "preview": "dot", "before": "solid"}.get(
        role, "dash"
    )
    still = cdf_still([curve]).axes[0].lines[0]
    assert still.get_linestyle() == MATPLOTLIB_DASHES[dash]
    assert ("stroke-dasharray='none'" in curve_table([curve])) is (dash == "solid")


def test_a_request_on_the_virtual_clock_is_recorded_as_a_client_would_see_it() -> None:
    ended: list[Request] = []
    requests = [Request("a", range(4), 3, 0.5)]
    run(ContinuousScheduler(1, -2), requests, StepCost(1.0, 0.0, 0.0), on_finish=ended.append)
    assert record_of(ended[0]) == LatencyRecord(0.5, 0.5, 1.5, 3.5, 200, None, "a")


def test_a_pins_letter_stands_at_the_top_of_its_curve() -> None:
    pin = Curve("pinned", [0.1] * 30, badge="A", role="pinned")
    _, marks = cdf_traces(pin)
    assert marks["text"] == ["", "", "A"]
