"""A sentence in, a correction out, over real HTTP, and where the time went."""

from __future__ import annotations

import asyncio
import html
import time
from collections.abc import Mapping, Sequence
from typing import Any

import httpx
import ipywidgets
from matplotlib.figure import Figure

from miniserve.palette import TEXT, ink
from miniserve.widgets.answer import PARTS, Answer, answer_html, read_parts
from miniserve.widgets.controls import button
from miniserve.widgets.curves import ms
from miniserve.widgets.live import LivePanel
from miniserve.widgets.servers import Server, url_of
from miniserve.widgets.stills import blank
from miniserve.widgets.style import framed

EXAMPLES = (
    "He goed to school.",
    "She have a red bicycle.",
    "They was tired after the trip.",
    "We have seen this film.",
)


class TryIt(LivePanel):
    """A box for a sentence, buttons with examples, and the tutor's answer.

    Args:
        server: a URL, or an object with a `url`.
        examples: sentences for the buttons; the first stands in the box.
        timeout_s: how long an answer may take.
    """

    def __init__(
        self,
        server: Server,
        *,
        examples: Sequence[str] = EXAMPLES,
        timeout_s: float = 30.0,
    ) -> None:
        self._server = server
        self._timeout_s = timeout_s
        self._wanted: str | None = None
        self._asking: asyncio.Task[Answer] | None = None
        self.answer: Answer | None = None
        self._box = ipywidgets.Text(
            value=examples[0] if examples else "",
            description="Sentence",
            placeholder="An English sentence with a wrong verb",
            style={"description_width": "70px"},
            layout=ipywidgets.Layout(flex="1 1 auto"),
        )
        self._box.add_class("miniserve-sentence")
        self._box.on_msg(self._on_box_message)
        self._send = button("Correct", "check", "send the sentence", self._ask)
        choices = [self._example(sentence) for sentence in examples]
        self._shown = ipywidgets.HTML(layout=ipywidgets.Layout(min_height="128px"))
        root = framed(
            ipywidgets.HBox([self._box, self._send]),
            ipywidgets.HBox(choices, layout=ipywidgets.Layout(flex_flow="row wrap")),
            self._shown,
            title="Try the tutor",
        )
        super().__init__(root, name="try-it", text="Live panel: try the tutor")
        self._draw()

    async def ask(self, sentence: str) -> Answer:
        """Send a sentence, show the answer and return it. A refusal is an answer too."""
        answer = await self._request(sentence)
        self.answer = answer
        self._box.value = sentence
        self._draw()
        return answer

    def frame(self) -> bool:
        """Draw one frame; see `LivePanel`."""
        if self._wanted is not None and self._asking is None and self._loop is not None:
            sentence, self._wanted = self._wanted, None
            self._asking = self._loop.create_task(self._request(sentence))
        if self._asking is not None and self._asking.done():
            asking, self._asking = self._asking, None
            self.answer = asking.result()
        self._draw()
        return self._asking is not None or self._wanted is not None

    def complain(self, words: str) -> None:
        """Say what went wrong in place of an answer."""
        self._shown.value = f"<div class='miniserve-warning'>{html.escape(words)}</div>"

    def picture(self) -> Figure | None:
        """The answer, and its time bar; before there is one, what can be asked."""
        return super().picture() if self.answer is None else answer_still(self.answer)

    def close(self) -> None:
        """Give up what is under way; see `LivePanel`."""
        if self._asking is not None and self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._asking.cancel)
        super().close()

    def _on_box_message(self, _: object, content: Mapping[str, Any], __: object) -> None:
        if content.get("event") == "submit":  # the Enter key
            self._ask()

    def _ask(self) -> None:
        self._ask_for(self._box.value)

    def _ask_for(self, sentence: str) -> None:
        """What the buttons do, in whatever thread."""
        try:
            self.require_loop()
        except RuntimeError as error:
            self.complain(str(error))
            return
        self._wanted = sentence
        self.wake()

    def _example(self, sentence: str) -> Any:
        def choose(_: object) -> None:
            self._box.value = sentence
            self._ask_for(sentence)

        made = ipywidgets.Button(
            description=sentence,
            tooltip="try this sentence",
            layout=ipywidgets.Layout(width="auto"),
        )
        made.add_class("miniserve-example")
        made.on_click(choose)
        return made

    async def _request(self, sentence: str) -> Answer:
        try:
            # Proxies from the environment have no business between a notebook and its own server.
            async with httpx.AsyncClient(timeout=self._timeout_s, trust_env=False) as client:
                url = f"{url_of(self._server)}/correct"
                await client.get(f"{url_of(self._server)}/healthz")  # opens the connection
                start = time.perf_counter()
                response = await client.post(url, json={"sentence": sentence})
                total_s = time.perf_counter() - start
        except (httpx.HTTPError, RuntimeError) as error:
            words = f"No answer: {type(error).__name__}. {error}"
            return Answer(sentence, problem=words.strip())
        return read_answer(sentence, response, total_s)

    def _draw(self) -> None:
        self._send.disabled = self._asking is not None
        if self.answer is None:
            hint = "Press Correct, or choose an example."
            self._shown.value = f"<div class='miniserve-note'>{hint}</div>"
        else:
            self._shown.value = answer_html(self.answer)


def read_answer(sentence: str, response: httpx.Response, total_s: float) -> Answer:
    """Turn the response of `POST /correct` into an answer."""
    try:
        body = response.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):  # of a proxy, say
        body = {}
    if not response.is_success or not {"corrected", "explanation"} <= body.keys():
        broken = [
            error["message"] for error in body.get("errors", [])
        ]  # the rules, if there are any
        detail = " ".join(broken) or body.get("detail")
        words = ": ".join(str(part) for part in (body.get("title"), detail) if part)
        return Answer(
            sentence,
            total_s=total_s,
            status=response.status_code,
            problem=f"HTTP {response.status_code}. {words}".strip(),
        )
    return Answer(
        sentence,
        corrected=body["corrected"],
        explanation=body["explanation"],
        total_s=total_s,
        parts=read_parts(response.headers.get("server-timing", ""), total_s),
        status=response.status_code,
    )


def answer_still(answer: Answer) -> Figure:
    """Return an answer as a picture: three lines of words above the bar of its time."""
    figure, axes = blank(height=2.0)
    axes.set_axis_off()
    lines = [answer.sentence, answer.corrected or answer.problem, answer.explanation]
    for row, words in enumerate(lines):
        weight = "bold" if row == 1 else "normal"
        axes.text(0, 3.2 - 0.75 * row, words, fontsize=10, color=TEXT, weight=weight)
    left, total = 0.0, sum(answer.parts.values()) or 1.0
    for name, seconds in answer.parts.items():
        colour = PARTS[name][1]
        axes.barh(0.6, seconds / total, left=left, height=0.6, color=colour)
        if seconds / total > 0.13:
            middle = left + seconds / total / 2
            words = f"{name} {ms(seconds)}"
            axes.text(middle, 0.6, words, ha="center", va="center", color=ink(colour), fontsize=9)
        left += seconds / total
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 3.8)
    return figure
