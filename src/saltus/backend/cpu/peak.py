"""What one core can do at most: multiply-adds on registers alone, without a single load; kernels are set beside it."""

from __future__ import annotations

import ctypes
import functools
import time

from saltus.backend.cpu import compile as machine

ACCUMULATORS = 12  # enough to hide the latency of multiply-adds on every core, few enough for sixteen registers
TURNS = 20_000
ROUNDS = 25


def peak_text(bits: int, symbol: str) -> str:
    """LLVM IR of a loop of independent multiply-adds on vectors of this width; the sum is stored, so that nothing is idle work."""
    vector = f"<{bits // 32} x float>"

    def splat(value: str) -> str:
        return f"<{', '.join([f'float {value}'] * (bits // 32))}>"

    lanes = range(ACCUMULATORS)
    starts = "\n".join(f"  %a{i} = phi {vector} [ {splat(f'{i}.0')}, %entry ], [ %b{i}, %loop ]" for i in lanes)
    adds = "\n".join(f"  %b{i} = call {vector} @llvm.fmuladd.v{bits // 32}f32({vector} %a{i}, {vector} %x, {vector} %y)" for i in lanes)
    sums = "\n".join(f"  %s{i} = fadd {vector} {f'%s{i - 1}' if i > 1 else '%b0'}, %b{i}" for i in lanes if i)
    return f"""declare {vector} @llvm.fmuladd.v{bits // 32}f32({vector}, {vector}, {vector})
define void @{symbol}(i64 %turns, ptr %out) {{
entry:
  %x = load {vector}, ptr %out, align 4
  %y = fadd {vector} %x, {splat("0.5")}
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %n, %loop ]
{starts}
{adds}
  %n = add i64 %i, 1
  %more = icmp ult i64 %n, %turns
  br i1 %more, label %loop, label %done
done:
{sums}
  store {vector} %s{ACCUMULATORS - 1}, ptr %out, align 4
  ret void
}}
"""


@functools.cache
def _kernel() -> tuple[ctypes._CFuncPtr, int]:
    bits = machine.vector_bits()
    symbol = machine.symbol_of(f"peak {bits} {ACCUMULATORS}")
    address = machine.load(symbol, machine.object_code(peak_text(bits, symbol)))
    return ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_void_p)(address), bits // 32


def multiply_add_peak() -> float:
    """Measure the multiply-adds of one core: operations on float32 a second, a multiplication and its addition counting two.

    The best of several rounds: other work on the machine only makes them slower.

    Example:
        >>> from saltus.backend.cpu.peak import multiply_add_peak
        >>> multiply_add_peak() > 1e8
        True
    """
    call, lanes = _kernel()
    best = float("inf")
    for _ in range(ROUNDS):
        values = (ctypes.c_float * lanes)(*[0.5] * lanes)
        begin = time.perf_counter()
        call(TURNS, ctypes.addressof(values))
        best = min(best, time.perf_counter() - begin)
    return 2 * TURNS * ACCUMULATORS * lanes / best
