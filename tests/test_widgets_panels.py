"""The panels without a browser: a real server and a real load, moved by code as by a hand."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from types import SimpleNamespace
from typing import Any

import httpx
import IPython
import ipywidgets
import pytest

from miniserve.client import EngineUnavailable
from miniserve.latency import LatencyRecord
from miniserve.loadtest import BackgroundLoad
from miniserve.scheduler import ContinuousScheduler, Request
from miniserve.stepcost import StepCost
from miniserve.trace import StepRecord
from miniserve.virtual_clock import run
from miniserve.widgets import Curve, LoadPanel, Predict, Race, Setting, Timeline, TryIt, show_cdf
from miniserve.widgets.controls import Controls
from miniserve.widgets.live import LivePanel
from miniserve.widgets.panel import WIDGET_VIEW
from miniserve.widgets.results import outcome
from miniserve.widgets.session import Session
from miniserve.widgets.tryit import read_answer
from tests.fake_serving import SENTENCES, FakeServing
from tests.fakes import until

pytestmark = pytest.mark.anyio


@pytest.fixture
def server() -> Iterator[FakeServing]:
    with FakeServing(max_num_seqs=4) as serving:
        yield serving


@pytest.fixture
async def panel(server: FakeServing) -> AsyncIterator[LoadPanel]:
    made = LoadPanel(
        {"continuous": server},
        SENTENCES,
        rate=(5, 100, 60),
        max_num_seqs=(1, 8, 4),
        max_waiting=(0, 64, 64),
        configure=server.configure,
        engine=server,
        probe="/healthz",
        little=True,
        preview=[Curve("saved", [0.03] * 50, mode="continuous")],
    )
    yield made
    await asyncio.to_thread(made.close)


def threads_of_loads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("miniserve-")]


async def test_a_run_of_n_requests_is_counted_to_the_last(panel: LoadPanel) -> None:
    panel.run(n=80)
    result = await panel.settled()
    assert result.counts.offered == result.counts.answered == 80
    assert result.counts.in_flight == 0
    assert result.summary.answered == 80
    assert result.summary.failed == 0
    assert result.setting.rate == 60
    assert "<b>80</b> answered" in panel._view.counts.value


async def test_the_first_view_is_the_preview(panel: LoadPanel) -> None:
    bundle, _ = panel._repr_mimebundle_()
    assert WIDGET_VIEW in bundle
    assert "image/png" in bundle
    assert bundle["text/plain"] == "Live panel: Arrival rate against latency"
    assert "saved" in panel._view._table.value
    drawn = [trace for trace in panel._view._canvas.traces if len(trace["x"])]
    assert [trace["name"] for trace in drawn] == ["saved", "saved"]  # the line and its marks


async def test_a_run_ends_after_its_seconds_and_leaves_no_thread(panel: LoadPanel) -> None:
    panel.run(seconds=0.5)
    assert "miniserve-load" in threads_of_loads()
    await panel.settled()
    assert not threads_of_loads()
    assert panel.results().counts.offered > 5


async def test_stop_ends_a_run_without_an_end(panel: LoadPanel) -> None:
    panel.run()
    await until(lambda: panel.results().counts.answered >= 5)
    await until(lambda: panel._run.disabled)
    assert not panel._stop.disabled
    panel._stop.click()
    await panel.settled()
    assert not panel._run.disabled
    assert panel._stop.disabled
    assert not threads_of_loads()


async def test_sliders_act_on_the_running_load_and_server(
    panel: LoadPanel, server: FakeServing
) -> None:
    panel.run()
    await until(lambda: panel.results().counts.answered >= 40)
    panel.set(rate=90, max_num_seqs=2)
    assert server.scheduler.max_num_seqs == 2
    assert panel._session._load is not None
    assert panel._session._load.rate == 90
    await until(lambda: len(panel.results().records) >= 20)
    panel.stop()
    result = await panel.settled()
    assert result.setting == Setting("continuous", 90, 2, None, 64)
    assert panel._measured.before is not None
    assert panel._measured.before.label == "before: 60/s, batch 4, queue ≤ 64"
    # The curve is of the new setting alone.
    assert len(result.records) < result.counts.answered


async def test_a_run_that_has_ended_keeps_its_setting_and_its_probe(panel: LoadPanel) -> None:
    panel.run(n=40)
    await until(lambda: panel._session.probed)
    result = await panel.settled()
    panel.set(rate=90, max_num_seqs=2)
    assert panel.results().setting == result.setting == Setting("continuous", 60, 4, None, 64)
    probed = panel._session.probed
    assert probed
    assert panel._session.probed == probed  # it stands still


async def test_a_larger_batch_moves_the_curve_to_the_left(
    panel: LoadPanel, server: FakeServing
) -> None:
    # A step sleeps 15 ms, so one at a time carries 7 of the 60 requests/s and eight at a time 53.
    # A busy machine adds some ms to each request; the queue of the first run adds seconds.
    server.step_s = 0.015
    panel.set(max_num_seqs=1)
    panel.run(n=24)
    alone, steps_alone = await panel.settled(), len(server.trace)
    panel.set(max_num_seqs=8)
    panel.run(n=24)
    together, steps_together = await panel.settled(), len(server.trace) - steps_alone
    assert alone.summary.answered == together.summary.answered == 24
    assert {record.batch for record in server.trace[:steps_alone]} == {1}
    assert steps_together < steps_alone / 2  # the same tokens, several in each step
    assert together.summary.p50.value < alone.summary.p50.value
    assert together.summary.p95.value < alone.summary.p95.value


async def test_a_queue_bound_sheds_and_says_so(panel: LoadPanel) -> None:
    panel.set(max_num_seqs=1, max_waiting=1, rate=90)
    panel.run(n=60)
    result = await panel.settled()
    assert result.counts.shed > 10
    assert result.counts.answered + result.counts.shed == 60
    assert result.summary.shed == result.counts.shed
    live = panel._live_curve()
    assert live is not None
    assert live.points()[1][-1] < 1


async def test_pins_are_kept_and_the_oldest_makes_room(panel: LoadPanel) -> None:
    panel.pin()
    assert panel.pins == []  # there is nothing to pin yet
    panel.run(n=20)
    await panel.settled()
    for _ in range(4):
        panel.pin()
    assert [pin.badge for pin in panel.pins] == ["B", "C", "A"]
    panel.pin()
    assert [pin.badge for pin in panel.pins] == ["C", "A", "B"]
    assert panel.pins[0].label == "60/s, batch 4, queue ≤ 64"
    panel.unpin()
    assert panel.pins == []


async def test_strips_and_little_are_shown(panel: LoadPanel) -> None:
    panel.run()
    await until(lambda: "measured" in panel._view._little.value.lower())
    in_flight, waiting, probed = panel._strips()
    assert max(value for _, value in in_flight) >= 1
    assert len(waiting) == len(in_flight)
    assert probed
    assert all(took > 0 for _, took in probed)
    panel.stop()
    await panel.settled()


async def test_a_late_generator_is_reported(panel: LoadPanel) -> None:
    class Late(type(panel._session)):  # type: ignore[misc]
        @property
        def records(self) -> list[LatencyRecord]:
            return [
                LatencyRecord(i, i + 0.2, i + 0.3, i + 0.3, 200, None, str(i)) for i in range(40)
            ]

    panel._session.__class__ = Late
    panel._draw()
    assert "the generator was late itself" in panel._view.notice.widget.value
    assert "miniserve-warning" in panel._view.notice.widget.value


async def test_run_says_that_the_server_has_not_been_started(server: FakeServing) -> None:
    panel = LoadPanel(server, SENTENCES, rate=(5, 100, 50))
    race = Race({"static": server}, SENTENCES, rate=(5, 100, 50))
    server.stop()
    with pytest.raises(RuntimeError, match="not running"):
        panel.run(n=10)
    panel._run.click()
    race._run.click()
    assert "The server is not running" in panel._view.notice.widget.value
    assert "The server is not running" in race._notice.widget.value
    panel.close()
    race.close()


async def test_run_says_that_the_server_takes_no_setting(
    panel: LoadPanel, server: FakeServing
) -> None:
    race = Race(
        {"continuous": server},
        SENTENCES,
        rate=(5, 100, 50),
        max_num_seqs=(1, 8, 4),
        configure={"continuous": server.configure},
    )
    server.refusal = EngineUnavailable("The engine has died.")
    panel._run.click()
    race._run.click()
    assert not threads_of_loads()
    with pytest.raises(RuntimeError, match="The engine has died"):
        await panel.settled()
    assert "The engine has died" in panel._view.notice.widget.value
    await race.rest(5)
    assert "The engine has died" in race._notice.widget.value
    race.close()
    server.refusal = None
    panel.run(n=5)
    assert (await panel.settled()).counts.answered == 5


@pytest.mark.parametrize("refusal", [EngineUnavailable("no engine"), ValueError("no engine")])
async def test_a_setting_that_is_refused_is_said_and_not_taken(
    panel: LoadPanel, server: FakeServing, refusal: Exception
) -> None:
    panel.run()
    server.refusal = refusal
    panel.set(rate=90, max_num_seqs=2)
    await until(lambda: "no engine" in panel._view.notice.widget.value)
    assert panel._session.running
    assert panel.results().setting == Setting("continuous", 60, 4, None, 64)
    server.refusal = None
    panel.set(max_num_seqs=3)
    await until(lambda: "no engine" not in panel._view.notice.widget.value)
    assert panel.results().setting == Setting("continuous", 90, 3, None, 64)
    panel.stop()
    await panel.settled()


async def test_a_slider_asks_for_a_preview_whatever_the_server_says(server: FakeServing) -> None:
    panel = LoadPanel(
        server,
        SENTENCES,
        rate=(5, 100, 50),
        max_num_seqs=(1, 8, 4),
        configure=server.configure,
        preview=lambda setting: [Curve(f"batch {setting.max_num_seqs}", [0.1] * 50)],
    )
    server.refusal = EngineUnavailable("no engine")
    panel.set(max_num_seqs=2)
    await panel.rest(5)
    assert "batch 2" in panel._view._table.value
    panel.close()


async def test_a_url_that_nobody_answers_fails_on_record() -> None:
    panel = LoadPanel("http://127.0.0.1:9", SENTENCES, rate=(5, 100, 50))
    panel.run(n=10)
    result = await panel.settled()
    assert result.counts.failed == 10
    panel.close()


async def test_closing_in_mid_run_leaves_nothing(server: FakeServing) -> None:
    panel = LoadPanel(server, SENTENCES, rate=(5, 100, 50), probe="/healthz")
    panel.run()
    await until(lambda: panel._frames is not None and panel.results().counts.answered >= 3)
    frames = panel._frames
    assert frames is not None
    await asyncio.to_thread(panel.close)
    await asyncio.to_thread(panel.close)
    await until(frames.done)
    assert not threads_of_loads()
    panel._run.click()
    assert "run the cells again" in panel._view.notice.widget.value
    assert panel.root.comm is not None  # what was measured can still be read


async def test_modes_send_the_load_to_their_own_server(server: FakeServing) -> None:
    with FakeServing() as other:
        panel = LoadPanel({"sync": server, "async": other}, SENTENCES, rate=(5, 100, 50))
        panel.run()
        await until(lambda: panel.results().counts.answered >= 5)
        assert not other.trace
        panel.set(mode="async")
        await until(lambda: other.trace)
        await until(lambda: panel.results().counts.answered >= 5)
        panel.stop()
        result = await panel.settled()
        assert result.setting.mode == "async"
        panel.close()


async def test_a_mode_whose_server_does_not_run_is_said_and_the_load_goes_on(
    server: FakeServing,
) -> None:
    with FakeServing() as other:
        panel = LoadPanel({"sync": server, "async": other}, SENTENCES, rate=(5, 100, 50))
    panel.run()
    panel.set(mode="async")
    await until(lambda: "not running" in panel._view.notice.widget.value)
    before = panel.results().counts.answered
    await until(lambda: panel.results().counts.answered > before)
    assert panel.results().setting.mode == "sync"
    panel.stop()
    await asyncio.to_thread(panel.close)


async def test_a_preview_is_computed_again_when_a_slider_moves(server: FakeServing) -> None:
    asked: list[Setting] = []

    def preview(setting: Setting) -> list[Curve]:
        asked.append(setting)
        return [Curve(f"computed for {setting.rate:g}", [1 / setting.rate] * 50)]

    panel = LoadPanel(server, SENTENCES, rate=(5, 100, 50), preview=preview)
    assert "computed for 50" in panel._view._table.value
    panel.set(rate=80)
    await panel.settled()
    assert [setting.rate for setting in asked] == [50, 80]
    assert "computed for 80" in panel._view._table.value
    panel.close()


async def test_a_slider_for_the_server_needs_a_way_to_tell_it() -> None:
    with pytest.raises(ValueError, match="configure"):
        LoadPanel("http://x", SENTENCES, rate=(5, 100, 50), max_num_seqs=(1, 8, 4))


async def test_a_frame_that_fails_is_told_and_not_printed(
    panel: LoadPanel, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> bool:
        raise ValueError("no paint left")

    monkeypatch.setattr(panel, "frame", broken)
    panel.wake()
    with pytest.raises(ValueError, match="no paint left"):
        await panel.rest(5)
    assert "no paint left" in panel._view.notice.widget.value
    assert capsys.readouterr() == ("", "")


def test_without_a_loop_a_panel_shows_its_picture_and_refuses_to_run(server: FakeServing) -> None:
    panel = LoadPanel(server, SENTENCES, rate=(5, 100, 50), preview=[Curve("a", [0.1] * 30)])
    assert panel.picture() is not None
    with pytest.raises(RuntimeError, match="notebook"):
        panel.run(n=5)
    panel.close()


def fake_shell(cell_id: str | None) -> Any:
    """As much of a kernel's shell as a panel looks at."""
    callbacks: list[Any] = []
    return SimpleNamespace(
        get_parent=lambda: {"metadata": {"cellId": cell_id} if cell_id else {}},
        callbacks=callbacks,
        events=SimpleNamespace(
            register=lambda _, callback: callbacks.append(callback),
            unregister=lambda _, callback: callbacks.remove(callback),
        ),
    )


async def test_a_panel_closes_when_its_cell_runs_again(
    server: FakeServing, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell = fake_shell("cell-1")
    monkeypatch.setattr(IPython, "get_ipython", lambda: shell)
    panel = LoadPanel(server, SENTENCES, rate=(5, 100, 50))
    panel.run()
    (before_cell,) = shell.callbacks
    before_cell(SimpleNamespace(cell_id="cell-2"))
    assert threads_of_loads()
    await asyncio.to_thread(before_cell, SimpleNamespace(cell_id="cell-1"))
    assert not threads_of_loads()
    assert shell.callbacks == []
    assert panel.root.comm is None


async def test_a_figure_is_removed_when_its_cell_runs_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shell = fake_shell("cell-1")
    monkeypatch.setattr(IPython, "get_ipython", lambda: shell)
    shown = [show_cdf([Curve("a", [0.1] * 30)]), Predict("Which?", ["a", "b"])]
    for before_cell in list(shell.callbacks):
        before_cell(SimpleNamespace(cell_id="cell-1"))
    assert shell.callbacks == []
    assert all(panel.root.comm is None for panel in shown)


async def test_a_front_end_without_cell_ids_closes_nothing(
    server: FakeServing, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell = fake_shell(None)
    monkeypatch.setattr(IPython, "get_ipython", lambda: shell)
    panel = LoadPanel(server, SENTENCES, rate=(5, 100, 50))
    assert shell.callbacks == []
    panel.close()


async def test_a_race_that_cannot_begin_everywhere_begins_nowhere(server: FakeServing) -> None:
    with FakeServing() as other:
        race = Race({"static": server, "continuous": other}, SENTENCES, rate=(5, 60, 40))
    with pytest.raises(RuntimeError, match="not running"):
        race.run()
    await until(lambda: not threads_of_loads())
    race.close()


async def test_another_mode_is_a_run_of_the_same_length(server: FakeServing) -> None:
    with FakeServing() as other:
        panel = LoadPanel({"sync": server, "async": other}, SENTENCES, rate=(5, 100, 50))
        panel.run(n=20)
        panel.set(mode="async")
        assert (await panel.settled()).counts.answered == 20
        panel.close()


async def test_a_panel_that_is_removed_leaves_no_widget() -> None:
    panel = LoadPanel("http://127.0.0.1:9", SENTENCES, rate=(5, 100, 50))
    canvas = panel._view._canvas
    inside = [panel.root, panel.controls.sliders["rate"], canvas.widget, canvas.widget.text]
    inside += [widget.layout for widget in inside if isinstance(widget, ipywidgets.DOMWidget)]
    inside.append(panel.controls.sliders["rate"].style)
    assert all(widget.comm is not None for widget in inside)
    panel.remove()
    assert all(widget.comm is None for widget in inside)


async def test_a_frame_that_fails_ends_the_load(server: FakeServing) -> None:
    panel = LoadPanel(server, SENTENCES, rate=(5, 100, 50))
    panel.run(seconds=60)
    panel.frame = lambda: 1 // 0 > 0  # type: ignore[method-assign]
    panel.wake()
    with pytest.raises(ZeroDivisionError):
        await panel.rest(10)
    await until(lambda: not panel._session.busy)
    assert "The panel has stopped: ZeroDivisionError" in panel._view.notice.widget.value
    panel.close()


async def test_a_race_gives_all_servers_the_same_arrivals() -> None:
    with FakeServing("static") as static, FakeServing("continuous") as continuous:
        race = Race(
            {"static": static, "continuous": continuous},
            SENTENCES,
            rate=(5, 60, 40),
            n=60,
            max_num_seqs=(1, 8, 4),
            configure={"static": static.configure, "continuous": continuous.configure},
        )
        assert race._repr_mimebundle_()[0]["text/plain"].startswith("Live race")
        race.run()
        results = await race.settled()
        assert [result.counts.answered for result in results.values()] == [60, 60]
        planned = [
            sorted(record.intended for record in result.records) for result in results.values()
        ]
        assert planned[0] == planned[1]
        assert static.changes[-1] == continuous.changes[-1] == {"max_num_seqs": 4}
        race.set(max_num_seqs=2)
        assert static.scheduler.max_num_seqs == continuous.scheduler.max_num_seqs == 2
        assert race.picture() is not None
        assert "Finished." in race._notice.widget.value
        race.close()
    assert not threads_of_loads()


async def test_stopping_a_race_stops_every_load() -> None:
    with FakeServing("static") as static, FakeServing("continuous") as continuous:
        race = Race({"static": static, "continuous": continuous}, SENTENCES, rate=(5, 60, 30))
        race.run()
        await until(lambda: all(r.counts.answered for r in race.results().values()))
        race.stop()
        await race.settled()
        assert not threads_of_loads()
        assert "Stopped." in race._notice.widget.value
        race.close()


def saved(mode_latency: float, n: int = 40) -> list[LatencyRecord]:
    return [
        LatencyRecord(i / 20, i / 20, None, i / 20 + mode_latency, 200, None, str(i))
        for i in range(n)
    ]


async def test_a_replay_begins_at_the_finish_and_plays_from_the_start() -> None:
    replay = Race.replay({"static": saved(0.5), "continuous": saved(0.1)}, speed=4)
    assert replay._view._table.value.count("<td>40</td>") == 2
    assert "image/png" in replay._repr_mimebundle_()[0]
    replay.player.toggle()
    assert replay.player.playing
    assert replay.player.position == 0
    await until(lambda: 0 < replay.player.position < replay.player.slider.max)
    await replay.rest(20)
    assert not replay.player.playing
    assert replay.player.position == pytest.approx(40 / 20 - 0.05 + 0.5)
    replay.player.slider.value = 1.0
    await replay.rest(5)
    assert "21 of 40" in replay._view._table.value or "19 of 40" in replay._view._table.value
    replay.close()


async def test_a_replay_needs_records() -> None:
    with pytest.raises(ValueError, match="records"):
        Race.replay({"static": []})


def steps() -> list[StepRecord]:
    made: list[StepRecord] = []
    requests = [Request(f"r{i}", range(4), 5 + i % 7, 0.003 * i) for i in range(40)]
    run(
        ContinuousScheduler(4, -2),
        requests,
        StepCost(0.001, 0.0001, 0.00005),
        on_step=made.append,
    )
    return made


async def test_a_timeline_plays_scrubs_and_follows() -> None:
    timeline = Timeline(steps(), window=40)
    assert "image/png" in timeline._repr_mimebundle_()[0]
    end = timeline.player.slider.max
    first = timeline._canvas.traces[0]["x"]
    assert any(length is None for length in first)  # what lies beyond the first view
    timeline.player.slider.value = end
    await timeline.rest(5)
    assert all(length is not None for length in timeline._canvas.traces[0]["x"])
    assert f"step {len(steps()) - 1}" in timeline._words.value
    left, right = timeline._canvas._layout["xaxis"]["range"]
    assert right == pytest.approx(end)
    assert left > 0
    timeline.player.toggle()
    await until(lambda: 0 < timeline.player.position < end / 2)
    assert timeline._canvas._layout["xaxis"]["range"][0] == 0
    timeline.player.toggle()
    await timeline.rest(5)
    assert not timeline.player.playing
    timeline.close()


async def test_a_timeline_needs_steps() -> None:
    with pytest.raises(ValueError, match="at least one step"):
        Timeline([])


async def test_try_it_shows_the_answer_and_where_the_time_went(server: FakeServing) -> None:
    panel = TryIt(server)
    assert "Press Correct" in panel._shown.value
    answer = await panel.ask("She goed home.")
    assert answer.ok
    assert answer.corrected == "She went home."
    assert set(answer.parts) == {"queue", "prefill", "decode", "http"}
    assert sum(answer.parts.values()) == pytest.approx(answer.total_s)
    assert "went</ins>" in panel._shown.value
    assert "image/png" in panel._repr_mimebundle_()[0]
    panel.close()


async def test_try_it_buttons_and_the_enter_key_ask(server: FakeServing) -> None:
    panel = TryIt(server, examples=["They was tired.", "She goed home."])
    example = panel.root.children[2].children[1]
    example.click()
    await until(lambda: panel.answer is not None)
    assert panel.answer is not None
    assert panel.answer.corrected == "She went home."
    panel._box.value = "They was late."
    panel._box._handle_msg(
        {
            "content": {"data": {"method": "custom", "content": {"event": "submit"}}},
            "buffers": [],
        }
    )
    await until(lambda: "were" in panel._shown.value)
    panel.close()


def test_a_refusal_names_the_rule() -> None:
    errors = [{"field": "sentence", "rule": "empty", "message": "The sentence is empty."}]
    body = {"title": "The request is not valid", "detail": "See the list.", "errors": errors}
    answer = read_answer("", httpx.Response(422, json=body), 0.1)
    assert answer.problem == "HTTP 422. The request is not valid: The sentence is empty."
    busy = httpx.Response(503, json={"title": "Busy", "detail": "Come back."})
    assert read_answer("", busy, 0.1).problem == "HTTP 503. Busy: Come back."


@pytest.mark.parametrize(("status", "body"), [(502, []), (502, "x"), (200, {}), (200, None)])
def test_an_answer_that_is_not_the_services_is_a_problem(status: int, body: object) -> None:
    answer = read_answer("", httpx.Response(status, json=body), 0.1)
    assert not answer.ok
    assert answer.problem == f"HTTP {status}."


async def test_try_it_shows_a_refusal_and_a_dead_server(server: FakeServing) -> None:
    panel = TryIt(server)
    server.max_waiting = 0
    answer = await panel.ask("She goed home.")
    assert answer.status == 503
    assert "Queue full" in panel._shown.value
    dead = TryIt("http://127.0.0.1:9", timeout_s=2)
    assert not (await dead.ask("x")).ok
    assert "No answer" in dead._shown.value
    panel.close()
    dead.close()


def test_controls_move_together_and_refuse_what_is_not_there() -> None:
    seen: list[Setting] = []
    controls = Controls({"rate": (5, 100, 30), "max_wait_ms": (0, 50, 5)}, ["a", "b"], seen.append)
    assert controls.setting == Setting(mode="a", rate=30, max_wait_s=0.005)
    controls.set(rate=40, max_wait_ms=10, mode="b")
    assert seen == [Setting(mode="b", rate=40, max_wait_s=0.01)]
    controls.sliders["rate"].value = 41
    assert len(seen) == 2
    for wrong in ({"rate": 1000}, {"max_num_seqs": 2}, {"mode": "c"}):
        with pytest.raises(ValueError, match=r"no control|cannot be"):
            controls.set(**wrong)
    controls.set(rate=41)
    assert len(seen) == 2  # nothing moved


def test_a_setting_says_itself_in_few_words() -> None:
    setting = Setting("static", 30, 4, 0.005, 64)
    assert str(setting) == "static, 30/s, batch 4, W 5 ms, queue ≤ 64"
    assert setting.server_changes == {"max_num_seqs": 4, "max_wait_s": 0.005, "max_waiting": 64}
    assert Setting(rate=2.5).server_changes == {}


@pytest.mark.parametrize(
    ("status", "error", "done", "word"),
    [
        (200, None, 1.0, "answered"),
        (503, None, 1.0, "shed"),
        (500, None, 1.0, "failed"),
        (0, "timeout", None, "failed"),
        (0, "unfinished", None, "given_up"),
    ],
)
def test_every_outcome_has_its_count(
    status: int, error: str | None, done: float | None, word: str
) -> None:
    assert outcome(LatencyRecord(0, 0, done, done, status, error, "a")) == word


def test_a_live_panel_is_told_what_it_must_do() -> None:
    assert issubclass(LoadPanel, LivePanel)
    with pytest.raises(NotImplementedError):
        LivePanel.frame(object())  # type: ignore[arg-type]


async def test_what_goes_wrong_at_the_end_of_a_run_is_not_told_of_the_next_one(
    server: FakeServing, monkeypatch: pytest.MonkeyPatch
) -> None:
    class BadEnd(BackgroundLoad):
        def stop(self) -> None:
            super().stop()
            raise OSError("no more sockets")

    monkeypatch.setattr("miniserve.widgets.session.BackgroundLoad", BadEnd)
    session = Session({"continuous": server}, SENTENCES, configure={})
    setting = Setting(mode="continuous", rate=20.0)
    session.start(setting)
    session.start(setting)
    (ends_the_first,) = session._stoppers
    await asyncio.to_thread(ends_the_first.join)
    assert session.errors == []
    await asyncio.to_thread(session.close)
    assert session.errors == ["The load has ended: OSError: no more sockets"]
