"""Continuous batching that guesses ahead: speculative decoding while slots are free.

Writing is one token a step, and where a step mostly waits for the weights, some tokens more cost it
little. So the next tokens are guessed, cheaply, and one step computes a request's newest token and
its guesses side by side. What the model says after each shows how many guesses were right; these
are taken, and the model's own token follows the last of them. The answer is the one that the model
would have written alone (Leviathan et al. 2023, "Fast inference from Transformers via speculative
decoding", here for greedy decoding), up to what BLUEPRINT's "Same tokens in every mode" says of
rounding; only the number of steps is smaller.

The guesses cost no model: they are n-gram look-ups. An answer repeats its prompt ("prompt lookup
decoding", apoorvumang/prompt-lookup-decoding, 2023) and, where it does not, earlier answers.

Guesses need a model that verifies them. Under the virtual clock there is none.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from miniserve.scheduler import ContinuousScheduler, Request, RequestStatus, SchedulerOutput

# Chosen by replaying the corpus's own answers: what a request itself says beats what others said,
# even after a single token; of others' words fewer than three tell too little.
_OWN_ORDERS = (3, 2, 1)
_SHARED_ORDER = 3
#: N-grams kept of all answers: some megabytes.
_MOST_SHARED = 50_000


class NGrams:
    """What stood after some tokens the last time that they stood side by side.

    Args:
        orders: how many tokens are looked up, in the order of trying.
        most: how many n-grams of one order are kept, the latest ones; None is all.
    """

    def __init__(self, orders: Sequence[int], most: int | None = None) -> None:
        self._followers: dict[int, OrderedDict[tuple[int, ...], int]] = {
            order: OrderedDict() for order in orders
        }
        self._most = most

    def learn(self, token_ids: Sequence[int], start: int = 0) -> None:
        """Note for each token from index `start` on what stands before it."""
        for order, followers in self._followers.items():
            for end in range(max(start, order), len(token_ids)):
                before = tuple(token_ids[end - order : end])
                followers[before] = token_ids[end]
                followers.move_to_end(before)
            while self._most is not None and len(followers) > self._most:
                followers.popitem(last=False)

    def follower(self, last: Sequence[int]) -> int | None:
        """The token that followed the `last` ones, or fewer of them; None if they are unknown."""
        for order, followers in self._followers.items():
            if (token := followers.get(tuple(last[-order:]))) is not None:
                return token
        return None


class _OwnText:
    """The tokens of one running request, and their n-grams."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._token_ids = list(request.prompt_token_ids)
        self._ngrams = NGrams(_OWN_ORDERS)
        self._ngrams.learn(self._token_ids)

    def guess(self, count: int, shared: NGrams, eos_token_id: int) -> list[int]:
        """Up to `count` tokens that may follow; none after the first that nobody can guess.

        The end token is never guessed: nothing could follow it, and a guess that is taken does not
        end a request.
        """
        start, prompt = len(self._token_ids), len(self._request.prompt_token_ids)
        self._token_ids += self._request.output_token_ids[start - prompt :]
        self._ngrams.learn(self._token_ids, start)
        last = self._token_ids[-max(_OWN_ORDERS) :]
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
    """Continuous batching, and guesses while slots are free.

    Guesses never make a step larger than `max_num_seqs` tokens: with all slots busy a processor has
    enough to do, and a wrong guess would take time from somebody. Where there is no room for all
    guesses of each writer there are none, because few of them gain less than it costs to lay out
    and check them. So it is in most steps that read a prompt.

    Args:
        max_num_seqs, eos_token_id, max_num_batched_tokens: as in `ContinuousScheduler`.
        num_speculative_tokens: guesses a request and step, at most; at least 1. With 4, and 16
            slots, up to three writers are guessed for.

    Attributes:
        num_drafted, num_accepted: guesses verified so far, and how many of them were right.
    """

    def __init__(
        self,
        max_num_seqs: int,
        eos_token_id: int,
        max_num_batched_tokens: int = 256,
        num_speculative_tokens: int = 4,
    ) -> None:
        super().__init__(max_num_seqs, eos_token_id, max_num_batched_tokens)
        if num_speculative_tokens < 1:
            raise ValueError(f"num_speculative_tokens is {num_speculative_tokens}; at least 1")
        self.num_speculative_tokens = num_speculative_tokens
        self.num_drafted = 0
        self.num_accepted = 0
        self._shared = NGrams((_SHARED_ORDER,), _MOST_SHARED)
        self._texts: dict[str, _OwnText] = {}  # of those that have been guessed for

    def schedule(self, now: float) -> SchedulerOutput:
        """What `ContinuousScheduler` chooses, and guesses for those who write."""
        output = super().schedule(now)
        writers = [
            entry
            for entry, request in enumerate(output.requests)
            if request.num_computed_tokens >= len(request.prompt_token_ids)
        ]
        most = self.num_speculative_tokens
        if not writers or sum(output.num_tokens) + most * len(writers) > self.max_num_seqs:
            return output
        drafts = [0] * len(output.requests)
        for entry in writers:
            request = output.requests[entry]
            request.draft_token_ids = self._guess(request, most)
            drafts[entry] = len(request.draft_token_ids)
            output.num_tokens[entry] += drafts[entry]
        if any(drafts):
            output.num_draft_tokens = drafts
        return output

    def update(
        self, output: SchedulerOutput, token_ids: Sequence[int], now: float
    ) -> list[Request]:
        """As `Scheduler.update`, but entry i has made `num_draft_tokens[i]` + 1 tokens.

        `token_ids` holds them entry after entry. The guesses that the model agrees with become
        tokens of the answer, and what it says after the last of them is what the step made; the
        other guesses were computed for nothing.

        Raises:
            ValueError: there is another number of tokens. Nothing has been changed then.
        """
        if output.num_draft_tokens is None:
            return super().update(output, token_ids, now)
        if len(token_ids) != len(output.requests) + sum(output.num_draft_tokens):
            raise ValueError("to verify guesses, a token after each of them is needed")
        counts, made, start = [], [], 0
        for request, count, drafts in zip(
            output.requests, output.num_tokens, output.num_draft_tokens, strict=True
        ):
            verdict = token_ids[start : start + drafts + 1]
            start += drafts + 1
            right = 0
            while right < drafts and request.draft_token_ids[right] == verdict[right]:
                right += 1
            if request.status is RequestStatus.RUNNING:
                request.output_token_ids.extend(verdict[:right])
                request.num_tokens += right
                self.num_drafted += drafts
                self.num_accepted += right
            request.draft_token_ids = ()
            counts.append(count - drafts + right)
            made.append(verdict[right])
        return super().update(SchedulerOutput(output.requests, counts, []), made, now)

    def _guess(self, request: Request, most: int) -> list[int]:
        """Guesses that leave room for the token that the model adds."""
        text = self._texts.get(request.request_id)
        if text is None:
            text = self._texts[request.request_id] = _OwnText(request)
        room = request.max_tokens - len(request.output_token_ids) - 1
        return text.guess(min(most, room), self._shared, self.eos_token_id)

    def _finish(self, request: Request, status: RequestStatus, now: float) -> None:
        self._texts.pop(request.request_id, None)
        if status is not RequestStatus.FINISHED_ABORTED:
            before = request.prompt_token_ids[-_SHARED_ORDER:]
            self._shared.learn([*before, *request.output_token_ids], len(before))
        super()._finish(request, status, now)
