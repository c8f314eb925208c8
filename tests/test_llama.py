"""The NumPy Llama, held against a plain implementation and against transformers' numbers."""

from __future__ import annotations

import hashlib
import tracemalloc
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from miniserve.model import (
    Checkpoint,
    Llama,
    activations,
    attention,
    linear,
    llama,
    load_checkpoint,
)
from tests.tiny_checkpoint import write_tiny_checkpoint

Array = NDArray[np.float64]
TOLERANCE = 1e-4


def reference_logits(checkpoint: Checkpoint, token_ids: list[int]) -> Array:
    """A Llama over one whole sequence, as the papers write it, in float64: (tokens, vocab_size)."""
    config = checkpoint.config
    w = {name: tensor.astype(np.float64) for name, tensor in checkpoint.weights.items()}
    tokens, size = len(token_ids), config.head_dim
    group = config.num_attention_heads // config.num_key_value_heads

    def norm(x: Array, name: str) -> Array:
        rms = np.sqrt((x**2).mean(-1, keepdims=True) + config.rms_norm_eps)
        normed: Array = x / rms * w[f"{name}.weight"]
        return normed

    def heads(x: Array, name: str) -> Array:
        return (x @ w[f"{name}.weight"].T).reshape(tokens, -1, size).swapaxes(0, 1)

    def rotated(x: Array) -> Array:
        angles = np.arange(tokens)[:, None] / config.rope_theta ** (np.arange(0, size, 2) / size)
        a, b = np.split(x, 2, axis=-1)
        cos, sin = np.cos(angles), np.sin(angles)
        return np.concatenate((a * cos - b * sin, b * cos + a * sin), axis=-1)

    x = w["model.embed_tokens.weight"][token_ids]
    for layer in range(config.num_hidden_layers):
        p = f"model.layers.{layer}"
        h = norm(x, f"{p}.input_layernorm")
        q, k = (rotated(heads(h, f"{p}.self_attn.{name}_proj")) for name in "qk")
        v = heads(h, f"{p}.self_attn.v_proj")
        k, v = k.repeat(group, axis=0), v.repeat(group, axis=0)
        scores = q @ k.swapaxes(1, 2) / np.sqrt(size)
        scores[:, np.triu(np.ones((tokens, tokens), bool), 1)] = -np.inf
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = weights / weights.sum(-1, keepdims=True) @ v
        x = x + mixed.swapaxes(0, 1).reshape(tokens, -1) @ w[f"{p}.self_attn.o_proj.weight"].T
        h = norm(x, f"{p}.post_attention_layernorm")
        gate, up = h @ w[f"{p}.mlp.gate_proj.weight"].T, h @ w[f"{p}.mlp.up_proj.weight"].T
        x = x + (gate / (1 + np.exp(-gate)) * up) @ w[f"{p}.mlp.down_proj.weight"].T
    head = w.get("lm_head.weight", w["model.embed_tokens.weight"])
    return norm(x, "model.norm") @ head.T


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    return load_checkpoint(write_tiny_checkpoint(tmp_path_factory.mktemp("tiny") / "tiny"))


@pytest.fixture(params=[False, True], ids=["ordinary kernel", "small-matrix kernel"])
def kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Both layouts of the weights, whatever this machine would choose."""
    chosen: bool = request.param
    monkeypatch.setattr(llama, "has_small_matrix_kernel", lambda: chosen)
    return chosen


def some_tokens(count: int, seed: int = 0) -> list[int]:
    tokens: list[int] = np.random.default_rng(seed).integers(0, 72, count).tolist()
    return tokens


def assert_close(found: NDArray[np.float32], expected: Array) -> None:
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)


@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize("length", [1, 2, 3, 4, 7, 15, 16, 17, 33, 64])
def test_a_whole_sequence_at_once_and_token_by_token(tiny: Checkpoint, length: int) -> None:
    tokens = some_tokens(length)
    expected = reference_logits(tiny, tokens)
    model = Llama(tiny, max_num_seqs=2)
    assert_close(model.logits([1], tokens, [length], [0])[0], expected[-1])
    for position, token in enumerate(tokens):
        assert_close(model.logits([0], [token], [1], [position])[0], expected[position])


@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize("batch", [1, 2, 3, 4, 5, 8, 13, 57, 64])
def test_many_sequences_side_by_side(tiny: Checkpoint, batch: int) -> None:
    tokens = [some_tokens(5, seed) for seed in range(batch)]
    expected = np.array([reference_logits(tiny, sequence) for sequence in tokens])
    model = Llama(tiny, max_num_seqs=batch, max_model_len=5)
    slots = list(range(batch))[::-1]
    flat = [token for sequence in tokens for token in sequence[:3]]
    assert_close(model.logits(slots, flat, [3] * batch, [0] * batch), expected[:, 2])
    for position in (3, 4):
        last = [sequence[position] for sequence in tokens]
        found = model.logits(slots, last, [1] * batch, [position] * batch)
        assert_close(found, expected[:, position])


@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize(
    "changes",
    [
        {"tie_word_embeddings": False},
        {"num_key_value_heads": 6},
        {"num_key_value_heads": 1},
        {"num_hidden_layers": 1},
        {"intermediate_size": 448},
        {"rope_theta": 100.0, "rms_norm_eps": 0.5},
        {"head_dim": 16, "num_attention_heads": 4, "num_key_value_heads": 4, "vocab_size": 128},
    ],
    ids=str,
)
def test_other_shapes(tmp_path: Path, changes: dict[str, Any]) -> None:
    checkpoint = load_checkpoint(write_tiny_checkpoint(tmp_path / "other", **changes))
    tokens = some_tokens(20)
    expected = reference_logits(checkpoint, tokens)
    model = Llama(checkpoint, max_num_seqs=1)
    assert_close(model.logits([0], tokens[:19], [19], [0])[0], expected[18])
    assert_close(model.logits([0], tokens[19:], [1], [19])[0], expected[19])


def test_scores_too_large_for_exp(tmp_path: Path) -> None:
    checkpoint = load_checkpoint(write_tiny_checkpoint(tmp_path / "loud"))
    name = "model.layers.{}.self_attn.{}_proj.weight"
    for layer in range(2):
        for matrix in "qk":
            checkpoint.weights[name.format(layer, matrix)][:] *= 8
    tokens = some_tokens(20)
    expected = reference_logits(checkpoint, tokens)
    model = Llama(checkpoint, max_num_seqs=1)
    highest: list[float] = []

    def watch(group: attention.GroupAttention) -> None:
        exp(group)
        highest.append(float(group._highest.max()))

    exp = attention.GroupAttention._exp
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attention.GroupAttention, "_exp", watch)
        found = model.logits([0], tokens, [20], [0])
    assert max(highest) > 100  # exp of this is more than float32 can hold
    # Scores in the hundreds leave float32 fewer digits behind the point.
    np.testing.assert_allclose(found[0], expected[-1], rtol=0, atol=2e-3)


SEQUENCES = 6
LENGTHS = (1, 2, 9, 16, 40, 64)


@pytest.fixture(scope="module")
def sequences(tiny: Checkpoint) -> list[tuple[list[int], Array]]:
    """Token ids of some sequences, and the scores after each of them."""
    tokens = [some_tokens(length, seed) for seed, length in enumerate(LENGTHS)]
    return [(sequence, reference_logits(tiny, sequence)) for sequence in tokens]


@st.composite
def steps(draw: st.DrawFn) -> list[list[tuple[int, int]]]:
    """Steps of (sequence, tokens to feed at most), each sequence at most once a step."""
    entry = st.tuples(st.integers(0, SEQUENCES - 1), st.sampled_from([1, 1, 1, 2, 5, 20, 64]))
    step = st.lists(entry, min_size=1, max_size=SEQUENCES, unique_by=lambda pair: pair[0])
    return draw(st.lists(step, min_size=1, max_size=25))


@pytest.mark.usefixtures("kernel")
@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_any_mixture_of_steps(
    tiny: Checkpoint, sequences: list[tuple[list[int], Array]], data: st.DataObject
) -> None:
    """Slots, order, chunks, mixture, endings: the scores are those of each sequence alone."""
    model = Llama(tiny, max_num_seqs=SEQUENCES)
    slot_of: dict[int, int] = {}
    fed = [0] * SEQUENCES
    for step in data.draw(steps()):
        slots, flat, counts, starts, expected = [], [], [], [], []
        finished = [number for number in slot_of if fed[number] == len(sequences[number][0])]
        model.free([slot_of.pop(number) for number in finished])
        for number in finished:
            fed[number] = 0
        for number, most in step:
            tokens, logits = sequences[number]
            fed[number] -= data.draw(st.sampled_from([0, 0, 0, min(1, fed[number]), fed[number]]))
            count = min(most, len(tokens) - fed[number])
            if number not in slot_of:
                free = sorted(set(range(SEQUENCES)) - set(slot_of.values()))
                slot_of[number] = data.draw(st.sampled_from(free))
            slots.append(slot_of[number])
            flat += tokens[fed[number] : fed[number] + count]
            counts.append(count)
            starts.append(fed[number])
            fed[number] += count
            expected.append(logits[fed[number] - 1])
        assert_close(model.logits(slots, flat, counts, starts), np.array(expected))


@pytest.mark.usefixtures("kernel")
def test_greedy_tokens_are_the_same_alone_and_together(tiny: Checkpoint) -> None:
    prompts = [some_tokens(length, seed) for seed, length in enumerate((1, 3, 7, 12, 20))]
    together = Llama(tiny, max_num_seqs=5)
    slots, lengths = [4, 0, 2, 1, 3], [len(prompt) for prompt in prompts]
    flat = [token for prompt in prompts for token in prompt]
    found = [together.step(slots, flat, lengths, [0] * 5).tolist()]
    for step in range(10):
        starts = [length + step for length in lengths]
        found.append(together.step(slots, found[-1], [1] * 5, starts).tolist())
    for number, prompt in enumerate(prompts):
        alone, tokens = Llama(tiny, max_num_seqs=1), list(prompt)
        for _ in range(11):
            start = 0 if len(tokens) == len(prompt) else len(tokens) - 1
            tokens.append(int(alone.step([0], tokens[start:], [len(tokens) - start], [start])[0]))
        assert [step_ids[number] for step_ids in found] == tokens[len(prompt) :]
        gaps = np.sort(reference_logits(tiny, tokens[:-1])[len(prompt) - 1 :])
        assert (gaps[:, -1] - gaps[:, -2]).min() > 2 * TOLERANCE  # else the tokens prove nothing


@pytest.mark.usefixtures("kernel")
def test_what_follows_each_of_several_last_tokens(tiny: Checkpoint) -> None:
    """Entries with 2, 0 and 4 guesses, then all with guesses, then one that takes some back."""
    model = Llama(tiny, max_num_seqs=3)
    texts = [some_tokens(30, seed) for seed in range(3)]
    expected = [reference_logits(tiny, text) for text in texts]
    fed = [0, 0, 0]
    for counts, drafts in [([9, 1, 5], [2, 0, 4]), ([1, 2, 3], [0, 1, 2]), ([20, 4, 3], [1, 3, 2])]:
        flat = [
            token
            for text, start, count in zip(texts, fed, counts, strict=True)
            for token in text[start : start + count]
        ]
        starts, fed = fed, [start + count for start, count in zip(fed, counts, strict=True)]
        found = model.logits([2, 0, 1], flat, counts, starts, drafts)
        wanted = [
            expected[number][end - draft - 1 : end]
            for number, (end, draft) in enumerate(zip(fed, drafts, strict=True))
        ]
        assert_close(found, np.concatenate(wanted))
    fed[0] -= 1  # one guess was wrong
    assert_close(model.logits([2], texts[0][29:30], [1], [29])[0], expected[0][29])


def test_a_step_larger_than_the_common_ones(tiny: Checkpoint) -> None:
    tokens = [some_tokens(64, seed) for seed in range(6)]
    model = Llama(tiny, max_num_seqs=6)
    for _ in range(2):
        flat = [token for sequence in tokens for token in sequence]
        found = model.logits(range(6), flat, [64] * 6, [0] * 6)
        for sequence, logits in zip(tokens, found, strict=True):
            assert_close(logits, reference_logits(tiny, sequence)[-1])
        model.free(range(6))


def test_a_finished_row_may_be_fed_again_at_the_same_position(tiny: Checkpoint) -> None:
    """As the padding rows of a static batch are."""
    model = Llama(tiny, max_num_seqs=2)
    padding, tokens = some_tokens(4, seed=1), some_tokens(9)
    model.step([0, 1], padding[:3] + tokens[:3], [3, 3], [0, 0])
    expected = reference_logits(tiny, padding)[-1], reference_logits(tiny, tokens)
    for position in range(3, 9):
        found = model.logits([0, 1], [padding[3], tokens[position]], [1, 1], [3, position])
        assert_close(found[0], expected[0])
        assert_close(found[1], expected[1][position])


@pytest.mark.usefixtures("kernel")
def test_rows_with_a_gap_between_them_step_after_step(tiny: Checkpoint) -> None:
    """Slot 1 waits while its neighbours go on."""
    tokens = [some_tokens(9, seed) for seed in range(3)]
    expected = [reference_logits(tiny, sequence) for sequence in tokens]
    model = Llama(tiny, max_num_seqs=3)
    model.step(range(3), [token for sequence in tokens for token in sequence[:3]], [3] * 3, [0] * 3)
    for position in range(3, 9):
        fed = [tokens[slot][position] for slot in (0, 2)]
        found = model.logits([0, 2], fed, [1, 1], [position] * 2)
        assert_close(found, np.array([expected[slot][position] for slot in (0, 2)]))
    assert_close(model.logits([1], tokens[1][3:4], [1], [3])[0], expected[1][3])


def test_a_gate_too_large_for_exp(tmp_path: Path) -> None:
    """Far below 0 the gate shuts, without a warning."""
    checkpoint = load_checkpoint(write_tiny_checkpoint(tmp_path / "shut"))
    checkpoint.weights["model.layers.0.mlp.gate_proj.weight"][:] *= 40
    tokens = some_tokens(20)
    model = Llama(checkpoint, max_num_seqs=1)
    lowest: list[float] = []

    def watch(a: activations.Activations) -> None:
        lowest.append(float(-a._gate.max()))
        swiglu(a)

    swiglu = activations.Activations.swiglu
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(activations.Activations, "swiglu", watch)
        found = model.logits([0], tokens, [20], [0])
    assert min(lowest) < -100  # exp of its opposite is more than float32 can hold
    np.testing.assert_allclose(
        found[0], reference_logits(checkpoint, tokens)[-1], rtol=1e-4, atol=1e-3
    )


def test_a_slot_may_be_fed_up_to_max_model_len(tiny: Checkpoint) -> None:
    model = Llama(tiny, max_num_seqs=1, max_model_len=6)
    tokens = some_tokens(6)
    model.step([0], tokens[:4], [4], [0])
    for position in (4, 5):
        found = model.logits([0], [tokens[position]], [1], [position])
    assert_close(found[0], reference_logits(tiny, tokens)[-1])
    with pytest.raises(ValueError, match="outgrow 6"):
        model.step([0], [1], [1], [6])


@pytest.mark.parametrize(
    ("slots", "token_ids", "num_tokens", "starts", "message"),
    [
        ([], [], [], [], "lengths 0, 0 and 0"),
        ([0, 1], [5, 5], [1, 1], [3], "lengths 2, 2 and 1"),
        ([0], [5, 5], [1], [3], "do not share out 2 tokens"),
        ([0, 1], [5], [1, 0], [3, 0], "do not share out 1 tokens"),
        ([0], [72], [1], [3], "from 0 to 71"),
        ([0], [-1], [1], [3], "from 0 to 71"),
        ([2], [5], [1], [0], "from 0 to 1"),
        ([-1], [5], [1], [0], "from 0 to 1"),
        ([0, 0], [5, 5], [1, 1], [3, 3], "named twice"),
        ([0], [5], [1], [5], "slot 0 holds . tokens and cannot go on at 5"),
        ([0], [5], [1], [-1], "slot 0 holds . tokens and cannot go on at -1"),
        ([1], [5], [1], [3], "slot 1 holds 0 tokens and cannot go on at 3"),
        ([1, 0], [5] * 3, [2, 1], [0, 5], "slot 0 holds . tokens and cannot go on at 5"),
        ([0], [5] * 62, [62], [3], "slot 0 would outgrow 64 tokens"),
    ],
)
def test_misuse_is_named_and_changes_nothing(
    tiny: Checkpoint,
    slots: list[int],
    token_ids: list[int],
    num_tokens: list[int],
    starts: list[int],
    message: str,
) -> None:
    model = Llama(tiny, max_num_seqs=2)
    tokens = some_tokens(5)
    model.step([0], tokens[:3], [3], [0])
    for call in (model.step, model.logits):
        with pytest.raises(ValueError, match=message):
            call(slots, token_ids, num_tokens, starts)
    assert_close(model.logits([0], tokens[3:4], [1], [3])[0], reference_logits(tiny, tokens)[3])
    with pytest.raises(ValueError, match=message):
        model.step(slots, token_ids, num_tokens, starts)
    assert_close(model.logits([0], tokens[4:], [1], [4])[0], reference_logits(tiny, tokens)[4])


@pytest.mark.parametrize("drafts", [[0], [0, 0, 0], [0, 2], [3, 0], [-1, 0]])
def test_guesses_that_do_not_fit_the_tokens(tiny: Checkpoint, drafts: list[int]) -> None:
    model = Llama(tiny, max_num_seqs=2)
    tokens = some_tokens(5)
    with pytest.raises(ValueError, match="num_draft_tokens"):
        model.step([0, 1], tokens, [3, 2], [0, 0], drafts)
    assert model.cache.num_rows == 0


@pytest.mark.parametrize(
    ("seqs", "length", "message"),
    [(0, None, "max_num_seqs is 0"), (1, 0, "max_model_len is 0"), (1, 65, "from 1 to 64")],
)
def test_sizes_out_of_range(tiny: Checkpoint, seqs: int, length: int | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Llama(tiny, max_num_seqs=seqs, max_model_len=length)


GOLDEN = Path(__file__).parent / "golden" / "tutor.npz"


@pytest.fixture(scope="module")
def golden() -> dict[str, NDArray[Any]]:
    """The numbers of transformers for the tutor, written by `data/build/make_golden.py`."""
    with np.load(GOLDEN) as file:
        return dict(file)


@pytest.fixture(scope="module")
def tutor_checkpoint(golden: dict[str, NDArray[Any]]) -> Checkpoint:
    directory = Path(__file__).parents[1] / "data" / "tutor"
    digest = hashlib.sha256((directory / "model.safetensors").read_bytes()).hexdigest()
    assert digest == golden["model_sha256"], "the golden numbers belong to another checkpoint"
    return load_checkpoint(directory)


def unpadded(table: NDArray[Any]) -> list[list[int]]:
    return [[token for token in row if token >= 0] for row in table.tolist()]


@pytest.mark.usefixtures("kernel")
def test_scores_of_transformers(
    tutor_checkpoint: Checkpoint, golden: dict[str, NDArray[Any]]
) -> None:
    tokens, expected = golden["full_token_ids"].tolist(), golden["full_logits"]
    model = Llama(tutor_checkpoint, max_num_seqs=32)
    for position, token in enumerate(tokens):
        assert_close(model.logits([3], [token], [1], [position])[0], expected[position])
    model.free([3])
    prompts = unpadded(golden["prompt_token_ids"][:32])
    lengths = [len(prompt) for prompt in prompts]
    found = model.logits(range(32), list(chain(*prompts)), lengths, [0] * 32)
    assert_close(found, golden["first_logits"])


@pytest.mark.usefixtures("kernel")
def test_answers_of_transformers(
    tutor_checkpoint: Checkpoint, golden: dict[str, NDArray[Any]]
) -> None:
    """Continuous batching by hand: a slot that has finished takes the next prompt at once."""
    eos = tutor_checkpoint.eos_token_id
    model = Llama(tutor_checkpoint, max_num_seqs=16)
    prompts = unpadded(golden["prompt_token_ids"])
    expected = unpadded(golden["output_token_ids"])
    longest = max(len(output) for output in expected)
    found: list[list[int]] = [[] for _ in prompts]
    waiting = list(range(len(prompts)))[::-1]
    running: dict[int, int] = {}
    while waiting or running:
        for slot in range(16):
            if slot not in running and waiting:
                running[slot] = waiting.pop()
        feed = {
            slot: [found[number][-1]] if found[number] else prompts[number]
            for slot, number in running.items()
        }
        starts = [
            len(prompts[number]) + len(found[number]) - 1 if found[number] else 0
            for number in running.values()
        ]
        counts = [len(tokens) for tokens in feed.values()]
        next_ids = model.step(list(feed), list(chain(*feed.values())), counts, starts)
        for (slot, number), token in zip(list(running.items()), next_ids.tolist(), strict=True):
            found[number].append(token)
            if token == eos or len(found[number]) == longest:
                model.free([slot])
                del running[slot]
    assert [[token for token in tokens if token != eos] for tokens in found] == expected


@pytest.mark.skipif(
    not linear.has_small_matrix_kernel(), reason="this BLAS kernel rounds by the number of rows"
)
def test_bits_do_not_depend_on_the_batch(
    tutor_checkpoint: Checkpoint, golden: dict[str, NDArray[Any]]
) -> None:
    """Alone or among 63 others, in chunks or token by token, at any length: the same bits."""
    everything = list(chain(*unpadded(golden["output_token_ids"])))
    tokens = everything[:200]
    alone = Llama(tutor_checkpoint, max_num_seqs=1)
    expected = [alone.logits([0], [token], [1], [at])[0] for at, token in enumerate(tokens)]
    model = Llama(tutor_checkpoint, max_num_seqs=64)
    random, at = np.random.default_rng(0), 0
    while at < len(tokens):
        others = random.choice(np.arange(1, 64), random.integers(0, 64), replace=False).tolist()
        lengths = random.choice([1, 1, 1, 5, 30], len(others)).tolist()
        fed = random.choice(everything, sum(lengths)).tolist()
        count = min(int(random.choice([1, 1, 1, 2, 7, 20])), len(tokens) - at)
        model.free(others)
        found = model.logits(
            [*others, 0],
            [*fed, *tokens[at : at + count]],
            [*lengths, count],
            [0] * len(others) + [at],
        )
        at += count
        np.testing.assert_array_equal(found[-1], expected[at - 1])


@pytest.mark.live
def test_scores_of_transformers_live(tiny: Checkpoint, tmp_path: Path) -> None:
    """The same comparison on another shape, where transformers and PyTorch are installed."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    directory = write_tiny_checkpoint(tmp_path / "tiny")
    oracle = transformers.LlamaForCausalLM.from_pretrained(directory, dtype=torch.float32)
    tokens = some_tokens(40)
    with torch.no_grad():
        expected = oracle(torch.tensor([tokens])).logits[0].numpy()
    model = Llama(tiny, max_num_seqs=1)
    for position, token in enumerate(tokens):
        assert_close(model.logits([0], [token], [1], [position])[0], expected[position])


class CountingNumPy:
    """Stands in for `np` in a module, and counts the calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __getattr__(self, name: str) -> object:
        found = getattr(np, name)
        return (
            CountedCall(found, self) if callable(found) and not isinstance(found, type) else found
        )


class CountedCall:
    """A function of NumPy that is counted, and so are its methods (`np.maximum.reduce`)."""

    def __init__(self, function: Callable[..., Any], counter: CountingNumPy) -> None:
        self._function = function
        self._counter = counter

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self._counter.calls += 1
        return self._function(*args, **kwargs)

    def __getattr__(self, name: str) -> CountedCall:
        return CountedCall(getattr(self._function, name), self._counter)


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> CountingNumPy:
    counter = CountingNumPy()
    modules: list[ModuleType] = [activations, attention, linear, llama]
    for module in modules:
        monkeypatch.setattr(module, "np", counter)
    return counter


def test_numpy_calls_of_a_layer(tmp_path: Path, counting: CountingNumPy, kernel: bool) -> None:
    """Each call costs about a microsecond; a decode step must not come to need more of them."""
    calls = {}
    for layers in (1, 3):
        shape = {"num_hidden_layers": layers, "intermediate_size": 448}
        directory = write_tiny_checkpoint(tmp_path / str(layers), **shape)
        model = Llama(load_checkpoint(directory), max_num_seqs=8)
        model.step(range(8), [3] * 24, [3] * 8, [0] * 8)
        model.step(range(8), [3] * 8, [1] * 8, [3] * 8)
        counting.calls = 0
        model.step(range(8), [3] * 8, [1] * 8, [4] * 8)
        calls[layers] = counting.calls
    a_layer = 4 + 4 + 4 + 2 + 1 + 8 + 4  # norms, products, x +=, rotation, attention, SwiGLU
    a_layer += 1 if kernel else 0  # the second part of the last product
    assert calls[3] - calls[1] == 2 * a_layer
    assert calls[1] - a_layer == 2 + 4 + 1 + 1  # embedding and rotations, norm, head, result


@pytest.mark.usefixtures("kernel")
def test_a_decode_step_makes_no_arrays(tmp_path: Path) -> None:
    """A step makes a few lists of a number a slot, but nothing with a number a hidden unit.

    NumPy itself takes a buffer of 8192 numbers for some operations, and gives it back at once.
    """
    wide = {"hidden_size": 640, "intermediate_size": 640, "num_attention_heads": 32, "head_dim": 8}
    directory = write_tiny_checkpoint(tmp_path / "wide", vocab_size=640, **wide)
    batch, length = 32, 40
    model = Llama(load_checkpoint(directory), max_num_seqs=batch)
    slots, ids, ones = list(range(batch)), [3] * batch, [1] * batch
    model.step(slots, ids * length, [length] * batch, [0] * batch)
    model.step(slots, ids, ones, [length] * batch)
    smallest_array = batch * 640 * 4
    starts = [length + 1] * batch
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        model.step(slots, ids, ones, starts)
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak - before < smallest_array == 81920
    assert after - before < batch * 8 * 8  # next ids, and what is remembered of the step
