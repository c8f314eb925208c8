"""Sentences that are no sentences: tokens of a prompt format, endless repetition.

What is no printable line of text is refused by `tutor.check_sentence`, on every route that takes a
sentence; a prompt for `/v1/completions` may be any text.

This is hygiene, not security. It keeps obvious rubbish away from the model and says why; it does
not make a model safe against words that it should not follow. The tutor's safety is that its model
can do nothing but rewrite one line.
"""

from __future__ import annotations

import json
import re

from starlette.types import ASGIApp, Receive, Scope, Send

from miniserve.middleware.asgi import Disconnected, read_body, replay
from miniserve.problems import CLIENT_GONE, INVALID
from miniserve.schemas import FieldError
from miniserve.tutor import MAX_SENTENCE_LENGTH, trimmed

_RULES = {
    "format_token": (
        "The sentence holds a token of a prompt format.",
        re.compile(r"</?s>|<pad>|<unk>|<\|[^|>]{1,40}\|>|\[/?INST\]|<</?SYS>>", re.IGNORECASE),
    ),
    "repetition": (
        "The sentence repeats one thing again and again.",
        re.compile(r"(\S)\1{15}|\b(\w+)(?:\W+\2\b){7}", re.IGNORECASE),
    ),
}


def find_injection(sentence: str) -> FieldError | None:
    """Say which rule a sentence breaks; None if none. The message does not repeat the sentence.

    A sentence that is too long is left to `check_sentence`: no pattern searches a long text.
    """
    sentence = trimmed(sentence)  # as the model would see it
    if len(sentence) > MAX_SENTENCE_LENGTH:
        return None
    for rule, (message, pattern) in _RULES.items():
        if pattern.search(sentence):
            return FieldError(field="sentence", rule=rule, message=message)
    return None


class InjectionFilter:
    """Refuses such a sentence with 422 before the application sees it.

    A body that cannot be read as JSON with a `sentence` is let through: the application's own
    validation says what is wrong with it. It stands inside `BodySize`, which answers for one that
    is too long.
    """

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self.app = app
        self.max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or scope["path"] != "/correct":
            await self.app(scope, receive, send)
            return
        try:
            body = await read_body(receive, self.max_bytes)
        except Disconnected:
            await CLIENT_GONE.response()(scope, receive, send)
            return
        found = find_injection(_sentence_in(body))
        if found is not None:
            await INVALID.response(errors=[found])(scope, receive, send)
            return
        await self.app(scope, replay(body, receive), send)


def _sentence_in(body: bytes) -> str:
    try:
        sentence = json.loads(body)["sentence"]
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        return ""
    return sentence if isinstance(sentence, str) else ""
