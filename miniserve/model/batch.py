"""What one step computes: the entries of the call, laid out so that the model needs no loop.

Every token goes through the same weights, whichever sequence it belongs to ("selective batching",
Yu et al. 2022, "Orca"). Only attention must know which tokens belong together, and for that they
form at most two groups: single tokens (decoding) and stretches of prompts (prefill).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from miniserve.model.arrays import IntArray
from miniserve.model.kv_cache import KVCache, rounded_context

#: A longer stretch of one sequence is cut into blocks of this many tokens, so that one long prompt
#: among short ones does not make all of them as wide as itself.
QUERY_BLOCK = 16


@dataclass(frozen=True)
class Stretches:
    """Tokens laid out in blocks, each a stretch of up to `QUERY_BLOCK` tokens of one sequence."""

    block: IntArray  #: (tokens,) the block of each token
    place: IntArray  #: (tokens,) its place in the block
    positions: IntArray  #: (blocks, width) position of the token at each place; 0 if there is none


@dataclass(frozen=True)
class Group:
    """Tokens whose attention is computed together."""

    tokens: slice  #: which tokens of the batch
    rows: (
        slice | IntArray
    )  #: cache row of each block; a slice, if they lie side by side, is quicker
    context: int  #: how many positions to look at: the longest context, rounded up
    stretches: Stretches | None  #: None for single tokens, each of which is a block of its own


class Batch(NamedTuple):
    """The tokens of one step, in the order in which the model takes them."""

    token_ids: IntArray  #: (tokens,)
    positions: IntArray  #: (tokens,) position of each token in its sequence
    rows: IntArray  #: (tokens,) cache row of each token
    groups: tuple[Group, ...]
    asked: IntArray | None  #: (results,) the tokens whose next one is asked for; None: all
    order: IntArray  #: (results,) the caller's number of each result


class Planner:
    """Checks the calls of `Llama.step` and lays them out; remembers the last decode step."""

    def __init__(self, cache: KVCache, vocab_size: int) -> None:
        self._cache = cache
        self._vocab_size = vocab_size
        self._decoding: _Decoding | None = None

    def plan(
        self,
        slots: Sequence[int],
        token_ids: Sequence[int],
        num_tokens: Sequence[int],
        start_positions: Sequence[int],
        num_draft_tokens: Sequence[int] | None = None,
    ) -> Batch:
        """The batch of one call, see `Llama.step`; opens cache rows for its new slots.

        Raises `ValueError`, with nothing changed, if the call contradicts itself or the cache.
        """
        if not len(slots) == len(num_tokens) == len(start_positions) > 0:
            lengths = f"{len(slots)}, {len(num_tokens)} and {len(start_positions)}"
            raise ValueError(f"slots, num_tokens and start_positions have lengths {lengths}")
        # Python's own min, max and sum are quicker than NumPy's on lists as short as these.
        if min(num_tokens) < 1 or sum(num_tokens) != len(token_ids):
            counts = list(num_tokens)
            raise ValueError(f"num_tokens {counts} do not share out {len(token_ids)} tokens")
        if num_draft_tokens is not None and not (
            len(num_draft_tokens) == len(slots)
            and all(
                0 <= drafts < count
                for drafts, count in zip(num_draft_tokens, num_tokens, strict=True)
            )
        ):
            counts = list(num_draft_tokens)
            raise ValueError(f"num_draft_tokens {counts} do not fit num_tokens {list(num_tokens)}")
        if min(token_ids) < 0 or max(token_ids) >= self._vocab_size:
            limit = self._vocab_size - 1
            raise ValueError(f"token ids {list(token_ids)}: each must be from 0 to {limit}")
        ids = np.asarray(token_ids, np.intp)
        if len(ids) == len(slots):
            return self._decode(list(slots), ids, list(start_positions))
        start, count = np.asarray(start_positions, np.intp), np.asarray(num_tokens, np.intp)
        rows = self._cache.open_rows(np.asarray(slots, np.intp), start, count)
        num_asked = np.ones_like(count)
        if num_draft_tokens is not None:
            num_asked += np.asarray(num_draft_tokens, np.intp)
        return _with_stretches(ids, rows, count, start, num_asked)

    def _decode(self, slots: list[int], ids: IntArray, starts: list[int]) -> Batch:
        """One token a slot; mostly the slots of the step before, and nothing has moved since.

        Then their rows, the order of these and the group need not be found again, and where each
        goes on where it ended there is nothing else to check. That is little work, but each step of
        the model throws everything else out of the processor's caches, and code that must be
        fetched again is slow (32 slots: 110 µs for all of it).
        """
        known, cache = self._decoding, self._cache
        start = np.asarray(starts, np.intp)
        if known is None or known.slots != slots or known.moves != cache.moves:
            rows = cache.open_rows(np.asarray(slots, np.intp), start, np.ones_like(start))
            known = self._decoding = _Decoding(slots, cache.moves, rows)
        longest = max(starts) + 1
        if cache.lengths[known.rows].tolist() != starts or longest > cache.max_model_len:
            cache.make_room(np.asarray(slots, np.intp), known.rows, start, 1)
        group, order = known.group_for(rounded_context(longest)), known.order
        return Batch(ids[order], start[order], known.ordered_rows, (group,), None, order)


class _Decoding:
    """Where the slots of a decode step are: what stays the same until a row moves."""

    def __init__(self, slots: list[int], moves: int, rows: IntArray) -> None:
        self.slots, self.moves, self.rows = slots, moves, rows
        self.order = rows.argsort()
        self.ordered_rows = rows[self.order]
        self._group = _single_tokens(self.ordered_rows, last_position=0)

    def group_for(self, context: int) -> Group:
        """The group of these slots: the same object as long as `context` is the same."""
        if self._group.context != context:
            self._group = replace(self._group, context=context)
        return self._group


def _with_stretches(
    ids: IntArray, rows: IntArray, count: IntArray, start: IntArray, num_asked: IntArray
) -> Batch:
    """A batch with stretches of tokens: first the single ones, each part in order of rows.

    All arguments are (entries,), in the caller's order, but for `ids` (tokens,). Of each entry, the
    tokens that follow its last `num_asked` ones are asked for.

    Entries of 1, 3 and 1 tokens for the rows 2, 0 and 1, say, become (a column is a token)::

        caller_entry  2 0 1 1 1
        rows[entry]   1 2 0 0 0
        offset        0 0 0 1 2
    """
    is_single = count == 1
    order = np.where(is_single, rows, rows + rows.max() + 1).argsort()
    first = count.cumsum() - count  # of each entry, in `ids`
    rows, count = rows[order], count[order]
    end = count.cumsum()
    entry = np.arange(len(rows)).repeat(count)  # of each token
    offset = np.arange(len(ids)) - (end - count)[entry]  # of each token in its entry
    caller_entry = order[entry]
    positions = start[caller_entry] + offset

    singles = np.count_nonzero(is_single)
    groups = [] if singles == 0 else [_single_tokens(rows[:singles], positions[:singles].max())]
    blocks = -(-count[singles:] // QUERY_BLOCK)  # of each stretch
    block, place = entry[singles:] - singles, offset[singles:]
    block_rows = rows[singles:]
    if blocks.max() > 1:
        block = (blocks.cumsum() - blocks)[block] + place // QUERY_BLOCK
        place = place % QUERY_BLOCK
        block_rows = block_rows.repeat(blocks)
    block_positions = np.zeros((len(block_rows), place.max() + 1), np.intp)
    block_positions[block, place] = positions[singles:]
    groups.append(
        Group(
            tokens=slice(singles, len(ids)),
            rows=_as_slice(block_rows),
            context=rounded_context(positions[singles:].max() + 1),
            stretches=Stretches(block, place, block_positions),
        )
    )
    ids = ids[first[caller_entry] + offset]
    if num_asked.sum() == len(rows):  # one each, the last
        return Batch(ids, positions, rows[entry], tuple(groups), end - 1, order)
    unasked = count - num_asked[order]  # tokens at the start of each entry
    asked = np.flatnonzero(offset >= unasked[entry])
    first_number = (num_asked.cumsum() - num_asked)[order]
    number = (first_number - unasked)[entry[asked]] + offset[asked]
    all_asked = None if len(asked) == len(ids) else asked
    return Batch(ids, positions, rows[entry], tuple(groups), all_asked, number)


def _single_tokens(rows: IntArray, last_position: int) -> Group:
    context = rounded_context(last_position + 1)
    return Group(slice(0, len(rows)), _as_slice(rows), context, None)


def _as_slice(rows: IntArray) -> slice | IntArray:
    """Ascending `rows` as a slice, if there are no gaps and no repetitions in them."""
    first, last = int(rows[0]), int(rows[-1])
    if last - first + 1 == len(rows) and (rows[1:] > rows[:-1]).all():
        return slice(first, last + 1)
    return rows
