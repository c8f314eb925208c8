"""What production engines add, as switches on the virtual clock.

`FeatureScheduler` is continuous batching under one more limit, the memory for keys and values (KV):
`num_blocks` blocks of `block_size` tokens. `Features` says how that memory is handed out.

| switch | off | on | source |
|---|---|---|---|
| `paged` | a request reserves `max_model_len` tokens | blocks as it grows | vLLM (SOSP 2023), 4 |
| `chunked_prefill` | a prompt is read in one step | in chunks | Sarathi-Serve (OSDI 2024), 4 |
| `cached_prefix` | every prompt is read whole | a shared start is read once | SGLang (2024), 3 |
| `priority` | by arrival | by priority, then by arrival | vLLM's `--scheduling-policy` |

With paged memory a running request may want a block when none is left. Then the last in rank is
*preempted by recompute*: it gives its blocks back, waits, and later reads its prompt and what it
had written once more (vLLM, section 4.5).

The costs are those of `stepcost`: each token computed counts, recomputed ones too, and a token
taken from the prefix cache costs nothing. Left out are the detour through the block table in the
attention, the growth of attention with context, and the look-up of a prefix: all make the switches
look slightly better than they are.

This is for `virtual_clock.run` only. The model in `miniserve.model` keeps a row of full length for
each slot, so it has neither blocks nor shared prefixes.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from miniserve.kv_blocks import KVBlocks, blocks_for
from miniserve.scheduler import ContinuousScheduler, Request, RequestStatus, SchedulerOutput


@dataclass(frozen=True, slots=True)
class Features:
    """Which switches are on, and how much KV memory there is.

    num_blocks: blocks in all. block_size: tokens in a block (vLLM's default on GPUs is 16).
    max_model_len: tokens that a request reserves when `paged` is off.
    cached_prefix: tokens that all prompts have in common at their start; 0 is off. Whole blocks of
        it are shared; they are set aside at once and stay (an engine would evict the least
        recently used).
    priority: the smaller number goes first; None is off.
    """

    num_blocks: int
    block_size: int = 16
    max_model_len: int = 256
    paged: bool = True
    chunked_prefill: bool = True
    cached_prefix: int = 0
    priority: Callable[[Request], float] | None = None

    def __post_init__(self) -> None:
        if min(self.num_blocks, self.block_size, self.max_model_len) < 1 or self.cached_prefix < 0:
            raise ValueError("blocks, block size and model length are at least 1, a prefix 0")
        if self.cached_prefix and not self.paged:
            raise ValueError("a prefix can only be shared in blocks: cached_prefix needs paged")

    @property
    def prefix_blocks(self) -> int:
        """Blocks set aside for the shared prefix: only full ones can be shared."""
        return self.cached_prefix // self.block_size


class FeatureScheduler(ContinuousScheduler):
    """Continuous batching within a fixed number of KV blocks, with the switches of `Features`.

    Args:
        max_num_seqs, eos_token_id, max_num_batched_tokens: as in `ContinuousScheduler`. Without
            chunked prefill every prompt is read in one step: the budget only decides whether one
            more is begun.

    Attributes:
        num_preemptions: how often a request was preempted.
        num_discarded_tokens: tokens that they lost by it (a shared prefix is found again later).
        num_cached_tokens: tokens that the prefix cache spared.
    """

    def __init__(
        self,
        max_num_seqs: int,
        eos_token_id: int,
        features: Features,
        max_num_batched_tokens: int = 256,
    ) -> None:
        super().__init__(max_num_seqs, eos_token_id, max_num_batched_tokens)
        self.features = features
        self.num_preemptions = 0
        self.num_discarded_tokens = 0
        self.num_cached_tokens = 0
        self._prefix_ready = False
        self._blocks = KVBlocks(features.num_blocks - features.prefix_blocks)
        self._shared: dict[str, int] = {}  # blocks of the prefix that each running request reads

    @property
    def num_free_blocks(self) -> int:
        """Blocks that nobody holds."""
        return self._blocks.num_free

    def add_request(self, request: Request) -> None:
        """Queue a request.

        Raises:
            ValueError: it would not fit even if it were alone, its prompt is shorter than the
                shared prefix, or its id is here already.
        """
        features = self.features
        if len(request.prompt_token_ids) < features.cached_prefix:
            raise ValueError("every prompt must begin with the shared prefix")
        # The token written last is never fed back, so nothing of it is ever cached.
        longest = len(request.prompt_token_ids) + request.max_tokens - 1
        if not features.paged and longest > features.max_model_len:
            raise ValueError(f"{longest} tokens are more than max_model_len")
        tokens = longest if features.paged else features.max_model_len
        if blocks_for(tokens, features.block_size) > features.num_blocks - features.prefix_blocks:
            raise ValueError(f"{tokens} tokens do not fit into the KV blocks")
        super().add_request(request)

    def schedule(self, now: float) -> SchedulerOutput:
        """Give running requests their next tokens, preempting where blocks run out; then admit."""
        budget = self.max_num_batched_tokens
        batch: list[Request] = []
        counts: list[int] = []
        preempted = False
        ranked = deque(sorted(self.running, key=self._rank))
        while ranked and budget > 0:
            request = ranked.popleft()
            count = self._next_count(request, budget)
            fits = self._reserve(request, count)
            while not fits:
                # From the end of the rank: whoever is first always gets on, so all end one day.
                victim = ranked.pop() if ranked else request
                self._preempt(victim)
                preempted = True
                if victim is request:
                    break
                fits = self._reserve(request, count)
            if fits:
                batch.append(request)
                counts.append(count)
                budget -= count
        # A step that had to preempt admits nobody, or it would preempt the newcomers next.
        while (
            not preempted and budget > 0 and self.waiting and len(self.running) < self.max_num_seqs
        ):
            admitted = self._admit_if_it_fits(now, budget)
            if admitted is None:
                break
            request, count = admitted
            batch.append(request)
            counts.append(count)
            budget -= count
        return SchedulerOutput(batch, counts, self.take_freed_slots())

    def update(
        self, output: SchedulerOutput, token_ids: Sequence[int], now: float
    ) -> list[Request]:
        """See `Scheduler.update`; also notes when the shared prefix has been read once."""
        finished = super().update(output, token_ids, now)
        if not self._prefix_ready:
            prefix = max(1, self.features.prefix_blocks * self.features.block_size)
            self._prefix_ready = any(r.num_computed_tokens >= prefix for r in output.requests)
        return finished

    def _rank(self, request: Request) -> tuple[float, float]:
        """Who goes first: the smallest. Who is preempted first: the largest."""
        priority = self.features.priority
        return (priority(request) if priority else 0.0, request.arrival_time)

    def _next_count(self, request: Request, budget: int) -> int:
        missing = request.num_tokens - request.num_computed_tokens
        return min(missing, budget) if self.features.chunked_prefill else missing

    def _reserve(self, request: Request, count: int) -> bool:
        """Hold the blocks that a request's next `count` tokens need; False if too few are free."""
        features, name = self.features, request.request_id
        tokens = request.num_computed_tokens + count if features.paged else features.max_model_len
        return self._blocks.grow(
            name, blocks_for(tokens, features.block_size) - self._shared.get(name, 0)
        )

    def _admit_if_it_fits(self, now: float, budget: int) -> tuple[Request, int] | None:
        """Admit the first of the waiting; None if there are too few blocks.

        Nobody overtakes it: else a long request might wait for ever while short ones slip past.
        """
        request = next(iter(self.waiting.values()))
        if self.features.priority is not None:
            request = min(self.waiting.values(), key=self._rank)
            self.waiting.move_to_end(request.request_id, last=False)
        shared = 0
        if self._prefix_ready:
            # One token at least must be computed: the next one comes from its logits.
            known = min(self.features.cached_prefix, len(request.prompt_token_ids) - 1)
            shared = known // self.features.block_size
        self._shared[request.request_id] = shared
        request.num_computed_tokens = shared * self.features.block_size
        count = self._next_count(request, budget)
        if not self._reserve(request, count):
            request.num_computed_tokens = 0
            return None
        first_time = request.first_scheduled_time
        self.admit(now)
        if first_time is not None:  # it has been here before
            request.first_scheduled_time = first_time
        self.num_cached_tokens += request.num_computed_tokens
        return request, count

    def _preempt(self, request: Request) -> None:
        """Take a request's slot and blocks, and put it at the head of the queue."""
        assert request.slot is not None
        self.num_preemptions += 1
        self.num_discarded_tokens += request.num_computed_tokens
        self._release(request)
        self.running.remove(request)
        heapq.heappush(self._free_slots, request.slot)
        self._freed_slots.append(request.slot)
        request.slot, request.num_computed_tokens = None, 0
        request.status = RequestStatus.WAITING
        self.waiting[request.request_id] = request
        self.waiting.move_to_end(request.request_id, last=False)

    def _release(self, request: Request) -> None:
        self._blocks.release(request.request_id)
        self._shared.pop(request.request_id, None)

    def _finish(self, request: Request, status: RequestStatus, now: float) -> None:
        self._release(request)
        super()._finish(request, status, now)
