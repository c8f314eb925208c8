"""From a checkpoint directory to an engine that can step.

Kept apart and light: nothing of the web application is imported here.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from miniserve.engine_core import EngineCore
from miniserve.model.checkpoint import load_checkpoint
from miniserve.model.llama import Llama
from miniserve.scheduler import Scheduler

#: Makes a scheduler, given the token that ends an answer.
MakeScheduler = Callable[[int], Scheduler]


def load_core(checkpoint: Path, max_num_seqs: int, make_scheduler: MakeScheduler) -> EngineCore:
    """Load the model with room for `max_num_seqs` sequences, and put it behind a scheduler.

    With `functools.partial` around it, this is the `open_core` of an engine::

        make_scheduler = partial(ContinuousScheduler, 16, max_num_batched_tokens=256)
        Engine(partial(load_core, TUTOR_DIR, 16, make_scheduler), …)

    Raises what `load_checkpoint` raises.
    """
    loaded = load_checkpoint(checkpoint)
    model = Llama(loaded, max_num_seqs=max_num_seqs)
    return EngineCore(model, make_scheduler(loaded.eos_token_id))
