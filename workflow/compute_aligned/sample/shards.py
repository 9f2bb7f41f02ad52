"""How several jobs share the problems of a family: each has a range of their blocks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from compute_aligned.files.errors import InputError

Block = TypeVar("Block")


@dataclass(frozen=True)
class Shard:
    """One of ``count`` jobs that share the work, the first having index 0."""

    index: int
    count: int

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Read ``INDEX/COUNT``.

        Raises:
            InputError: It is something else, or there is no such shard.

        """
        index, _, count = text.partition("/")
        if not (index.isdecimal() and count.isdecimal() and int(index) < int(count)):
            raise InputError(
                f"shard {text}", "there is no such shard", "write INDEX/COUNT, such as 0/4 or 3/4"
            )
        return cls(int(index), int(count))

    def of(self, blocks: Sequence[Block]) -> Sequence[Block]:
        """The blocks that are its work; those of all shards together are all, each once."""
        start, end = (i * len(blocks) // self.count for i in (self.index, self.index + 1))
        return blocks[start:end]

    def problems(self, num_problems: int, block_size: int) -> int:
        """How many of so many problems, in blocks of that size, are its work."""
        starts = self.of(range(0, num_problems, block_size))
        return sum(min(block_size, num_problems - start) for start in starts)


WHOLE = Shard(0, 1)
