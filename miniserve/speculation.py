"""Continuous batching that guesses ahead: speculative decoding where slots are free.

Writing is one token a step, and a step with a few tokens costs little more than a step with one:
the weights have to be read anyway. So the next tokens are guessed, cheaply, and one step computes
the request's newest token and its guesses side by side. What the model says after each shows how
many guesses were right; these are taken, and the first wrong one is replaced by the model's own
token. The answer is the one that the model would have written alone (Leviathan et al. 2023, "Fast
inference from Transformers via speculative decoding", for greedy decoding); only the number of
steps is smaller.

The guesses cost no model: they are n-gram look-ups. An answer repeats its prompt (prompt lookup
decoding, Saxena 2023; vLLM's `ngram`, TGI's `--speculate`) and, where it does not, earlier answers.
"""

from __future__ import annotations

from collections.abc import Sequence

from miniserve.scheduler import ContinuousScheduler, Request, RequestStatus, SchedulerOutput

_OWN_ORDERS = (3, 2, 1)
_SHARED_ORDERS = (3,)
#: N-grams kept of all answers: some megabytes.
_MOST_SHARED = 50_000
#: With fewer guesses for each request a step gains less than it costs to lay out and check them.
_WORTHWHILE = 2


class NGrams:
    """What stood after some tokens the last time that they stood side by side.

    Args:
        orders: how many tokens are looked up, in the order of trying.
        most: how many n-grams of one order are kept, the latest ones; None is all.
    """

    def __init__(self, orders: Sequence[int], most: int | None = None) -> None:
        self._followers: dict[int, dict[tuple[int, ...], int]] = {order: {} for order in orders}
        self._most = most

    def learn(self, token_ids: Sequence[int], start: int = 0) -> None:
        """Note for each token from index `start` on what stands before it."""
        for order, followers in self._followers.items():
            for end in range(max(start, order), len(token_ids)):
                followers[tuple(token_ids[end - order : end])] = token_ids[end]
            while self._most is not None and len(followers) > self._most:
                del followers[next(iter(followers))]

    def follower(self, last: Sequence[int]) -> int | None:
        """The token that followed the `last` ones, or fewer of them; None if they are unknown."""
        for order, followers in self._followers.items():
            if (token := followers.get(tuple(last[-order:]))) is not None:
                return token
        return None


class _Text:
    """The tokens of one running request, and their n-grams."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self.token_ids = list(request.prompt_token_ids)
        self._ngrams = NGrams(_OWN_ORDERS)
        self._ngrams.learn(self.token_ids)

    def guess(self, count: int, shared: NGrams, eos_token_id: int) -> list[int]:
        """Up to `count` tokens that may follow; none after the first that nobody can guess."""
        start, prompt = len(self.token_ids), len(self._request.prompt_token_ids)
        self.token_ids += self._request.output_token_ids[start - prompt :]
        self._ngrams.learn(self.token_ids, start)
        last = self.token_ids[-max(_OWN_ORDERS) :]
        guesses: list[int] = []
        while len(guesses) < count:
            token = self._ngrams.follower(last)
            if token is None:
                token = shared.follower(last)
            if token is None or token == eos_token_id:
                break
            guesses.append(token)
            last = [*last[1:], token]
        return guesses


class SpeculativeScheduler(ContinuousScheduler):
    """Continuous batching, and guesses in the rows of slots that nobody uses.

    A step never has more tokens because of guesses than `max_num_seqs`: with all slots busy the
    processor has enough to do, and a wrong guess would take time from somebody. Where the room is
    not enough for two guesses each, there are none: so it is in most steps that read a prompt.

    Args:
        max_num_seqs, eos_token_id, max_num_batched_tokens: as in `ContinuousScheduler`.
        num_speculative_tokens: guesses a request and step, at most; with 0 this is a
            `ContinuousScheduler`.

    Attributes:
        num_drafted, num_accepted: guesses so far, and how many of them were right.
    """

    def __init__(
        self,
        max_num_seqs: int,
        eos_token_id: int,
        max_num_batched_tokens: int = 256,
        num_speculative_tokens: int = 4,
    ) -> None:
        super().__init__(max_num_seqs, eos_token_id, max_num_batched_tokens)
        if num_speculative_tokens < 0:
            raise ValueError(
                f"num_speculative_tokens must not be negative: {num_speculative_tokens}"
            )
        self.num_speculative_tokens = num_speculative_tokens
        self.num_drafted = 0
        self.num_accepted = 0
        self._shared = NGrams(_SHARED_ORDERS, _MOST_SHARED)
        self._texts: dict[str, _Text] = {}  # of those that have been guessed for

    def schedule(self, now: float) -> SchedulerOutput:
        """What `ContinuousScheduler` chooses, and guesses for those who write."""
        output = super().schedule(now)
        writers = [
            entry
            for entry, request in enumerate(output.requests)
            if request.num_computed_tokens >= len(request.prompt_token_ids)
        ]
        spare = self.max_num_seqs - sum(output.num_tokens)
        count = min(self.num_speculative_tokens, spare // len(writers)) if writers else 0
        if count < min(_WORTHWHILE, max(self.num_speculative_tokens, 1)):
            return output
        drafts = [0] * len(output.requests)
        for entry in writers:
            request = output.requests[entry]
            request.draft_token_ids = self._guess(request, count)
            drafts[entry] = len(request.draft_token_ids)
            output.num_tokens[entry] += drafts[entry]
        if any(drafts):
            output.num_draft_tokens = drafts
        return output

    def update(
        self, output: SchedulerOutput, token_ids: Sequence[int], now: float
    ) -> list[Request]:
        """As `Scheduler.update`, but entry i has made `num_draft_tokens[i]` + 1 tokens.

        The guesses that the model agrees with become tokens of the answer, and the token after the
        last of them is what the step made; the others were computed for nothing.
        """
        if output.num_draft_tokens is None:
            return super().update(output, token_ids, now)
        counts, made, start = [], [], 0
        for request, count, drafts in zip(
            output.requests, output.num_tokens, output.num_draft_tokens, strict=True
        ):
            verdict = token_ids[start : start + drafts + 1]
            start += drafts + 1
            right = 0
            while right < drafts and request.draft_token_ids[right] == verdict[right]:
                right += 1
            if drafts and request.status is RequestStatus.RUNNING:
                request.output_token_ids += verdict[:right]
                request.num_tokens += right
                self.num_drafted += drafts
                self.num_accepted += right
            request.draft_token_ids = ()
            counts.append(count - drafts + right)
            made.append(verdict[right])
        return super().update(SchedulerOutput(output.requests, counts, []), made, now)

    def _guess(self, request: Request, count: int) -> list[int]:
        """Guesses that leave room for the token that the model adds."""
        text = self._texts.get(request.request_id)
        if text is None:
            text = self._texts[request.request_id] = _Text(request)
        room = request.max_tokens - len(request.output_token_ids) - 1
        return text.guess(min(count, room), self._shared, self.eos_token_id)

    def _finish(self, request: Request, status: RequestStatus, now: float) -> None:
        self._texts.pop(request.request_id, None)
        if status is not RequestStatus.FINISHED_ABORTED:
            last_of_prompt = request.prompt_token_ids[-max(_SHARED_ORDERS) :]
            answer = [*last_of_prompt, *request.output_token_ids]
            self._shared.learn(answer, len(last_of_prompt))
        super()._finish(request, status, now)
