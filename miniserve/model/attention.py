"""Attention over the cache: each token looks at its own sequence, from the start up to itself.

Grouped-query attention (Ainslie et al. 2023): several query heads share one key head. Their queries
are the rows of one small matrix, so a block of tokens is one product a key head, nothing repeated.
"""

from __future__ import annotations

import numpy as np

from miniserve.model.arrays import FloatArray
from miniserve.model.batch import Group
from miniserve.model.config import LlamaConfig
from miniserve.model.kv_cache import HIDDEN, KVCache
from miniserve.model.scratch import Scratch


def causal_bias(positions: int) -> FloatArray:
    """(query position, key position): 0 where the query may look, `HIDDEN` at later keys."""
    return np.triu(np.full((positions, positions), HIDDEN), 1)


class GroupAttention:
    """The attention of one group in one step: shapes and working memory, shared by all layers.

    `queries` and `mixed` are (tokens, heads, head_dim) of the group: where the queries are found,
    and where the mixed values go. The queries carry the factor head_dim^-½ already.
    """

    def __init__(
        self,
        config: LlamaConfig,
        group: Group,
        *,
        cache: KVCache,
        causal: FloatArray,
        queries: FloatArray,
        mixed: FloatArray,
        scratch: Scratch,
    ) -> None:
        heads, key_heads = config.num_attention_heads, config.num_key_value_heads
        size, context, stretches = config.head_dim, group.context, group.stretches
        self.group, self._cache, self._queries, self._mixed = group, cache, queries, mixed
        if stretches is None:
            blocks, width = len(queries), 1
            self._bias = cache.bias[group.rows, None, None, :context]
        else:  # a block holds its tokens head by head, and may have empty places
            blocks, width = stretches.positions.shape
            queries = scratch.array("queries by block", blocks, heads, width, size)
            mixed = scratch.array("mixed by block", blocks, heads, width, size)
            self._bias = causal[stretches.positions, :context][:, None]
        self._block_queries, self._block_mixed = queries, mixed

        by_key_head = (blocks, key_heads, heads // key_heads * width)
        self._query_rows = queries.reshape(*by_key_head, size)
        self._mixed_rows = mixed.reshape(*by_key_head, size)
        self._scores = scratch.array("scores", *by_key_head, context)
        self._scores_by_place = self._scores.reshape(blocks, heads, width, context)
        self._scores_by_row = self._scores.reshape(-1, context)
        self._all_scores = self._scores.reshape(-1)
        self._row_starts = np.arange(0, self._all_scores.size, context)
        self._highest = scratch.array("highest", blocks * heads * width)
        self._highest_column = self._highest.reshape(-1, 1)
        self._sums = scratch.array("sums", blocks * heads * width)
        self._divisors = self._sums.reshape(*by_key_head, 1)
        self._ones = np.ones(context, np.float32)
        # Views of the cache are the same in every step; copies would not be.
        self._views = (
            [cache.read(layer, group.rows, context) for layer in range(config.num_hidden_layers)]
            if isinstance(group.rows, slice)
            else None
        )

    def run(self, layer: int) -> None:
        """`mixed = softmax(queries @ keys) @ values`, for what the cache holds of each sequence."""
        if self._views is not None:
            keys, values = self._views[layer]
        else:
            keys, values = self._cache.read(layer, self.group.rows, self.group.context)
        stretches = self.group.stretches
        if stretches is not None:
            self._block_queries[stretches.block, :, stretches.place] = self._queries
        np.matmul(self._query_rows, keys, out=self._scores)
        self._exp()
        np.matmul(self._scores, values, out=self._mixed_rows)
        np.divide(self._mixed_rows, self._divisors, out=self._mixed_rows)
        if stretches is not None:
            self._mixed[...] = self._block_mixed[stretches.block, :, stretches.place]

    def _exp(self) -> None:
        """Scores become exp(score - highest), 0 where hidden, and `sums` their sums.

        This is softmax but for the division, which comes after the values are mixed, when there
        are fewer numbers to divide. Each row has its own highest score taken off, so that exp
        cannot overflow. For many short rows NumPy's `reduceat` is more than twice as fast as its
        `max`, and the product with ones, by BLAS, several times as fast as its `sum`.
        """
        scores = self._scores_by_row
        np.add(self._scores_by_place, self._bias, out=self._scores_by_place)
        np.maximum.reduceat(self._all_scores, self._row_starts, out=self._highest)
        np.subtract(scores, self._highest_column, out=scores)
        np.exp(scores, out=scores)
        np.matmul(scores, self._ones, out=self._sums)
