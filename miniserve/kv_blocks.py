"""KV memory in blocks, as vLLM hands it out: who holds how many.

Which blocks they are makes no difference on a virtual clock, so they are only counted.
"""

from __future__ import annotations


def blocks_for(num_tokens: int, block_size: int) -> int:
    """Blocks that hold `num_tokens` tokens: the last one may be part empty."""
    return -(-num_tokens // block_size)


class KVBlocks:
    """A fixed number of blocks, of which requests hold some.

    Attributes:
        num_free: blocks that nobody holds.
        held: how many each request holds, by its id; those that hold none are not in it.
    """

    def __init__(self, num_blocks: int) -> None:
        self.num_free = num_blocks
        self.held: dict[str, int] = {}

    def grow(self, request_id: str, num_blocks: int) -> bool:
        """Let a request hold `num_blocks` in all; False, and nothing changes, if too few are free.

        A request that holds as many or more keeps what it has.
        """
        more = num_blocks - self.held.get(request_id, 0)
        if more > self.num_free:
            return False
        if more > 0:
            self.held[request_id] = num_blocks
            self.num_free -= more
        return True

    def release(self, request_id: str) -> None:
        """Take back all that a request holds, if anything."""
        self.num_free += self.held.pop(request_id, 0)
