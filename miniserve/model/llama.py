"""A Llama in NumPy: tokens and slots in, the next token of each sequence out.

Read `Llama.step` and then `Llama._forward`: that is the whole model, as in "LLaMA" (Touvron et al.
2023): RMS norms (Zhang and Sennrich 2019), rotary positions (Su et al. 2021), grouped-query
attention (Ainslie et al. 2023) and a SwiGLU feed-forward (Shazeer 2020), all in float32.

What looks unusual is there for speed. Constants before or behind a matrix are multiplied into it
once (`Layer`); results go into memory made once (`Activations`, where the small operations are);
products and attention have modules of their own (`linear`, `attention`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from miniserve.model.activations import (
    Activations,
    norm_factor,
    pairs_side_by_side,
    rotation_table,
)
from miniserve.model.arrays import FloatArray, IntArray
from miniserve.model.attention import GroupAttention, causal_bias
from miniserve.model.batch import Batch, Group, Planner
from miniserve.model.checkpoint import Checkpoint
from miniserve.model.kv_cache import KVCache
from miniserve.model.linear import (
    Weight,
    has_small_matrix_kernel,
    linear,
    parts_of_sum,
    put_side_by_side,
)
from miniserve.model.scratch import Scratch

#: Steps of up to this many tokens find their working memory ready; larger ones cut it out anew.
_COMMON_STEP = 256


class Llama:
    """The model, and a cache for up to `max_num_seqs` sequences of up to `max_model_len` tokens.

    `max_model_len` is the checkpoint's `max_position_embeddings`, unless a smaller one is given.
    Raises `ValueError` if either is out of range. Not to be used by two threads at once.
    """

    def __init__(
        self, checkpoint: Checkpoint, *, max_num_seqs: int, max_model_len: int | None = None
    ) -> None:
        config, weights = checkpoint.config, checkpoint.weights
        longest = config.max_position_embeddings
        self.config = config
        self.max_num_seqs = max_num_seqs
        self.max_model_len = longest if max_model_len is None else max_model_len
        if max_num_seqs < 1:
            raise ValueError(f"max_num_seqs is {max_num_seqs}; it must be at least 1")
        if not 1 <= self.max_model_len <= longest:
            raise ValueError(f"max_model_len is {max_model_len}; it must be from 1 to {longest}")

        self._small_matrix_kernel = has_small_matrix_kernel()
        self._embedding = weights["model.embed_tokens.weight"]
        head = weights.get("lm_head.weight", self._embedding)
        head = head * norm_factor(weights["model.norm.weight"])
        self._head = Weight(head.T, self._small_matrix_kernel)
        self._layers = [
            Layer(checkpoint, index, self._small_matrix_kernel)
            for index in range(config.num_hidden_layers)
        ]
        put_side_by_side(
            [self._head, *(weight for layer in self._layers for weight in layer.weights)]
        )
        self._rotations = rotation_table(config, self.max_model_len)

        self.cache = KVCache(config, max_num_seqs, self.max_model_len)
        self._planner = Planner(self.cache, config.vocab_size)
        self._causal = causal_bias(self.cache.positions)
        self._scratch, self._large_scratch = Scratch(), Scratch()
        self._known_activations: dict[int, Activations] = {}
        self._activations(max(_COMMON_STEP, max_num_seqs))  # the first is the largest

    def step(
        self,
        slots: Sequence[int],
        token_ids: Sequence[int],
        num_tokens: Sequence[int],
        start_positions: Sequence[int],
        num_draft_tokens: Sequence[int] | None = None,
    ) -> IntArray:
        """One iteration: feed some tokens to some slots, get the greedy next token of each.

        Entry i feeds `num_tokens[i]` tokens, its stretch of the flat `token_ids`, to `slots[i]`,
        which holds `start_positions[i]` tokens already (if more, the rest is forgotten; 0 begins
        a new sequence). Stretches of prompts and single tokens may be mixed. Returns the most
        likely token after the last one of each entry, in the order of the entries.

        If the last `num_draft_tokens[i]` tokens of entry i are guesses (fewer than it has tokens),
        the tokens that should stand in their places are returned as well: entry after entry those
        that follow its last `num_draft_tokens[i]` + 1 tokens, (entries + guesses,) in all.

        Raises `ValueError`, with nothing changed, if the call contradicts itself or the cache.
        """
        batch = self._planner.plan(slots, token_ids, num_tokens, start_positions, num_draft_tokens)
        next_ids = np.empty(len(batch.order), np.intp)
        next_ids[batch.order] = self._forward(batch).argmax(axis=1)
        return next_ids

    def logits(
        self,
        slots: Sequence[int],
        token_ids: Sequence[int],
        num_tokens: Sequence[int],
        start_positions: Sequence[int],
        num_draft_tokens: Sequence[int] | None = None,
    ) -> FloatArray:
        """Do what `step` does, but return the scores: (entries + guesses, vocab_size)."""
        batch = self._planner.plan(slots, token_ids, num_tokens, start_positions, num_draft_tokens)
        logits = np.empty((len(batch.order), self.config.vocab_size), np.float32)
        logits[batch.order] = self._forward(batch)
        return logits

    def free(self, slots: Sequence[int]) -> None:
        """Forget what `slots` hold, if anything; the next tokens fed to them begin anew.

        Raises `ValueError` if a slot does not exist or is named twice.
        """
        self.cache.free(slots)

    @np.errstate(over="ignore")  # see `Activations.swiglu`
    def _forward(self, batch: Batch) -> FloatArray:
        """Scores for each token that was asked for, (results, vocab_size), in batch order."""
        tokens = len(batch.token_ids)
        a = self._activations(tokens)
        a.token_ids[:tokens] = batch.token_ids
        np.take(self._embedding, a.token_ids, axis=0, out=a.x.array, mode="clip")
        np.take(self._rotations, batch.positions, axis=0, out=a.rotations, mode="clip")
        self.cache.extend(batch.rows, batch.positions)
        attentions = [self._attention(group, a) for group in batch.groups]

        for index, layer in enumerate(self._layers):
            a.norm()
            linear(a.normed, layer.qkv, a.qkv)
            a.rotate()
            self.cache.write(index, batch.rows, batch.positions, a.keys, a.values)
            for attention in attentions:
                attention.run(index)
            if batch.asked is not None and layer is self._layers[-1]:
                a = self._keep(batch.asked, a)
            linear(a.mixed, layer.output, a.change)
            a.add_change()

            a.norm()
            linear(a.normed, layer.gate_up, a.gate_up)
            a.swiglu()
            linear(a.inner, layer.down, a.changes)
            a.add_changes()

        a.norm()
        linear(a.normed, self._head, a.logits)
        return a.logits.array[: len(batch.order)]

    def _keep(self, asked: IntArray, a: Activations) -> Activations:
        """Go on with those tokens only whose next one is asked for.

        In the last layer, the other tokens of a prompt are needed for their keys and values and
        for nothing else; and what follows these is most of the layer.
        """
        kept = self._activations(len(asked))
        kept.x.array[: len(asked)] = a.x.array[asked]
        kept.mixed.array[: len(asked)] = a.mixed.array[asked]
        return kept

    def _attention(self, group: Group, a: Activations) -> GroupAttention:
        """The attention of `group`; from one decode step to the next it is mostly the same one.

        Not so where the rows have gaps: its bias is then a copy, and knows of no later token.
        """
        known = a.attention
        if known is None or known.group is not group or not isinstance(group.rows, slice):
            known = a.attention = GroupAttention(
                self.config,
                group,
                cache=self.cache,
                causal=self._causal,
                queries=a.queries[group.tokens],
                mixed=a.mixed_by_head[group.tokens],
                scratch=a.scratch,
            )
        return known

    def _activations(self, tokens: int) -> Activations:
        """Working memory for so many tokens."""
        if tokens > max(_COMMON_STEP, self.max_num_seqs):
            return Activations(self.config, tokens, self._small_matrix_kernel, self._large_scratch)
        known = self._known_activations.get(tokens)
        if known is None:
            known = Activations(self.config, tokens, self._small_matrix_kernel, self._scratch)
            self._known_activations[tokens] = known
        return known


class Layer:
    """The matrices of one layer, (in, out), with the constants around them multiplied in.

    The weights of a norm go into the matrix that follows, the attention's head_dim^-½ into the
    queries, and the minus signs of `Activations.swiglu` into gate and up. Matrices with the same
    input are used in one call: queries, keys and values as one, gate and up as a stack of two.
    """

    def __init__(self, checkpoint: Checkpoint, index: int, small_matrix_kernel: bool) -> None:
        head_dim = checkpoint.config.head_dim

        def read(name: str) -> FloatArray:
            return checkpoint.weights[f"model.layers.{index}.{name}.weight"]

        def weight(matrix: FloatArray, norm: str | None = None) -> Weight:
            if norm is not None:
                matrix = matrix * norm_factor(read(norm))
            return Weight(matrix.swapaxes(-1, -2), small_matrix_kernel)

        queries = pairs_side_by_side(read("self_attn.q_proj"), head_dim) * np.float32(
            head_dim**-0.5
        )
        keys = pairs_side_by_side(read("self_attn.k_proj"), head_dim)
        values = read("self_attn.v_proj")
        gate, up = -read("mlp.gate_proj"), -read("mlp.up_proj")
        self.qkv = weight(np.concatenate((queries, keys, values)), norm="input_layernorm")
        self.output = weight(read("self_attn.o_proj"))
        self.gate_up = weight(np.stack((gate, up)), norm="post_attention_layernorm")
        down = read("mlp.down_proj")
        parts = parts_of_sum(down.shape[1], small_matrix_kernel)
        self.down = weight(np.stack(np.split(down, parts, axis=1)))
        self.weights = (self.qkv, self.output, self.gate_up, self.down)
