"""The model: a small Llama in NumPy.

Arrays in, token ids out; it knows slots and lengths, nothing of requests, policies or HTTP.
"""

from miniserve.model.checkpoint import Checkpoint, load_checkpoint
from miniserve.model.config import CheckpointError, LlamaConfig
from miniserve.model.llama import Llama

__all__ = ["Checkpoint", "CheckpointError", "Llama", "LlamaConfig", "load_checkpoint"]
