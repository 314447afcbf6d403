"""The vector math functions by name: what `Emitter.math` inlines into kernels.

Each is inline code for any number of lanes: no libm, no loop over lanes. NaN, infinities, signed zeros,
overflow and underflow are as in NumPy; subnormal numbers are read and written, not flushed. A lane's result
is the same for any lane count, register width and machine.
"""

from __future__ import annotations

from saltus.backend.cpu import vecmath_exp, vecmath_log, vecmath_power, vecmath_special, vecmath_trig
from saltus.backend.cpu.vecmath_core import Emit, MathFunction

FUNCTIONS: dict[str, MathFunction] = {
    function.name: function
    for module in (vecmath_exp, vecmath_log, vecmath_trig, vecmath_power, vecmath_special)
    for function in module.FUNCTIONS
}


def emitter_table() -> dict[str, Emit]:
    """The functions as `Emitter(..., math_functions=emitter_table())` takes them."""
    return {name: function.emit for name, function in FUNCTIONS.items()}
