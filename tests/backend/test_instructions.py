"""Loop kernels for processors this machine is not: the instructions are read instead of run."""

from __future__ import annotations

import re

import pytest

import saltus.ops  # noqa: F401  registers the ops
from saltus.backend.cpu import compile as machine
from saltus.backend.cpu.kernels import NativeTarget, emit
from saltus.base import dtypes as dt
from saltus.ir.node import Node, placeholder, topological
from saltus.ir.spec import OPS
from saltus.ops import composite
from saltus.ops.convolution import conv, conv_weight
from saltus.schedule.plan import Kernel, make_plan

TARGETS = {
    "avx2": (256, "x86_64-unknown-linux-gnu", "haswell", "", r"v(mul|add|fmadd)\w*ps\s.*%ymm", r"\bcall"),
    "avx512": (512, "x86_64-unknown-linux-gnu", "skylake-avx512", "", r"v(mul|add|fmadd)\w*ps\s.*%zmm", r"\bcall"),
    "neon": (128, "aarch64-unknown-linux-gnu", "neoverse-n1", "", r"f(mul|add|mla)\s+v\d+\.4s", r"\bbl\b"),
}


def kernels(bits: int) -> list[Kernel]:
    x, y = placeholder((64, 100), dt.float32), placeholder((64, 100), dt.float32)
    w = placeholder((100, 70), dt.float32)
    product = OPS["matmul"](x, w, ta=False, tb=False)
    outputs: list[Node] = [x * y + 0.3, composite.softmax(x, (1,)), OPS["sum"](x * y, axes=(0,)), OPS["relu"](product * 1.5)]
    attrs = {"stride": (1, 1), "dilation": (1, 1), "low": (0, 0), "high": (0, 0)}
    images = [placeholder((8, 16, 16, channels), dt.float32) for channels in (16, 3)]
    filters = [placeholder((3, 3, channels, 32), dt.float32) for channels in (16, 3)]
    gradient = placeholder((8, 14, 14, 32), dt.float32)
    for image, kernel in zip(images, filters, strict=True):  # by tiles, and as patches
        outputs += [conv(image, kernel, groups=1, **attrs), conv_weight(image, gradient, kernel=(3, 3), groups=1, **attrs)]
    outputs.append(conv_weight(images[0], placeholder((8, 14, 14, 16), dt.float32), kernel=(3, 3), groups=16, **attrs))
    plan, _ = make_plan([n for n in topological(outputs) if n.op.name == "input"], outputs, (), NativeTarget(bits))
    return [launch.kernel for launch in plan.launches()]


@pytest.mark.parametrize("name", TARGETS)
def test_kernels_use_the_vectors_of_the_target_and_call_nothing(name: str) -> None:
    bits, triple, cpu, features, wanted, forbidden = TARGETS[name]
    found = []
    for kernel in kernels(bits):
        code = machine.assembly(emit(kernel, "kernel", bits), triple, cpu, features)
        assert not re.search(forbidden, code), f"{kernel.label} calls a function"
        found.append(bool(re.search(wanted, code)))
    assert all(found)
