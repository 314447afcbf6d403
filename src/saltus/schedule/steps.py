"""What a plan is: steps, launches, places in memory. Made by `plan.py` or read from the store; needs nothing of what plans or compiles."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from saltus.ir.node import Node


class Kernel(Protocol):
    """What a launch runs; `key` is everything its machine code depends on."""

    label: str
    why: str

    @property
    def scratch(self) -> int: ...

    def key(self) -> str: ...

    def words(self) -> tuple[list[int], list[tuple[int, Node, int]], int]:
        """Argument words, (word, buffer, byte offset) of each pointer among them, and the number of chunks."""
        ...

    def show(self) -> str: ...

    @property
    def flops(self) -> int: ...

    @property
    def nbytes(self) -> int: ...


def calls_host(kernel: Kernel) -> bool:
    """Whether a kernel is a function of this process, at its `address()`, rather than machine code."""
    return hasattr(kernel, "address")


@dataclass(eq=False)
class Place:
    """Where a buffer lies: in another buffer, moving with the steps of loops, or in a memory of its own.

    Attributes:
        root: the node whose memory it is (itself, unless it is part of another).
        offset: bytes from the root's start.
        moves: (loop, bytes a step) for each loop it moves with, outermost first.
    """

    root: Node
    offset: int = 0
    moves: tuple[tuple[int, int], ...] = ()

    def same(self, other: Place) -> bool:
        """Whether both are one memory at every step of every loop."""
        return self.root is other.root and self.offset == other.offset and self.moves == other.moves


@dataclass(eq=False)
class Launch:
    kernel: Kernel
    words: list[int]
    pointers: list[tuple[int, Place]]
    chunks: int


@dataclass(eq=False)
class Phase:
    launches: list[Launch] = field(default_factory=list)


@dataclass(eq=False)
class LoopBegin:
    loop: int
    length: int
    reverse: bool


@dataclass(eq=False)
class LoopEnd:
    loop: int


Step = Phase | LoopBegin | LoopEnd


@dataclass(eq=False)
class Plan:
    """Everything a program does.

    Attributes:
        steps: phases and loop marks in order.
        inputs, outputs: nodes whose memory is given at each call.
        offsets: byte offset in the arena of every other root.
        arena: bytes of the arena.
        scratch: bytes of private memory a worker needs.
        aliases: output number -> input number whose memory it takes over.
        loops: how many loops there are.
    """

    steps: list[Step]
    inputs: list[Node]
    outputs: list[Node]
    offsets: dict[Node, int]
    arena: int
    scratch: int
    aliases: dict[int, int]
    loops: int

    def launches(self) -> list[Launch]:
        return [launch for s in self.steps if isinstance(s, Phase) for launch in s.launches]

    def show(self) -> str:
        """The plan in readable form."""
        lines = [f"arena {self.arena} bytes, scratch {self.scratch} bytes a worker"]
        depth = 0
        for s in self.steps:
            if isinstance(s, LoopEnd):
                depth -= 1
            pad = "  " * depth
            if isinstance(s, Phase):
                lines.append(f"{pad}phase")
                kernels = [(x.kernel, x.chunks) for x in s.launches]
                lines += [f"{pad}  {k.label}: {n} chunks, {k.nbytes} bytes, {k.flops} flops" for k, n in kernels]
            elif isinstance(s, LoopBegin):
                lines.append(f"{pad}loop {s.loop}: {s.length} steps{', reversed' if s.reverse else ''}")
                depth += 1
        for node, at in sorted(self.offsets.items(), key=lambda kv: kv[1]):
            lines.append(f"  {at:>10} {node.nbytes:>10} bytes  {node}")
        return "\n".join(lines)
