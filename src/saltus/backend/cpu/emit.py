"""Writes LLVM IR text: the one vocabulary every native kernel is written in.

Op records, vector math, fused loops and contractions all speak to an `Emitter`. Values know their element type and lane
count, so `b.add(x, y)` picks the float, signed or unsigned instruction by itself. The text is final: vectors,
unrolling and phis are explicit, and LLVM only selects instructions and allocates registers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from saltus.backend.cpu.values import INT_OF_BITS, LLVM, SUFFIX, Value, literal, llvm_type, whole_limits
from saltus.base import dtypes as dt
from saltus.base.dtypes import DType
from saltus.base.errors import EngineError


class Loop:
    """A counted loop under construction: `index`, the `carried` values of this turn, and after it the `results`."""

    def __init__(self, index: Value, carried: list[Value]) -> None:
        self.index, self.carried = index, carried
        self.results: list[Value] = carried
        self._next: list[Value] = []

    def next(self, values: Sequence[Value]) -> None:
        """Give the carried values of the next turn; call once, last in the body."""
        self._next = list(values)


class Emitter:
    """Builds one LLVM function of type `void (ptr ...)`.

    Args:
        name: symbol of the function.
        parameters: names of its pointer or i64 parameters, as (name, "ptr" | "i64").
        vector_bits: register width of the target (512, 256 or 128).
        internal: an internal function is not visible outside its module.
    """

    def __init__(
        self,
        name: str,
        parameters: Sequence[tuple[str, str]],
        vector_bits: int = 256,
        *,
        math_functions: dict[str, Callable[..., Value]] | None = None,
    ) -> None:
        self.name, self.vector_bits = name, vector_bits
        self._parameters = list(parameters)
        self._lines: list[str] = []
        self._entry: list[str] = []
        self._declared: dict[str, str] = {}
        self._count = 0
        self._blocks = 0
        self._block = "entry"
        self._memo: dict[tuple[object, ...], Value] = {}
        self._math = math_functions or {}
        self.parameters = [Value(f"%{n}", None if t == "ptr" else dt.int64) for n, t in parameters]

    # --- text ---------------------------------------------------------------------------------------------------
    def _name(self) -> str:
        self._count += 1
        return f"%v{self._count}"

    def emit(self, text: str, dtype: DType | None, lanes: int = 1) -> Value:
        """One instruction that yields a value."""
        ref = self._name()
        self._lines.append(f"  {ref} = {text}")
        return Value(ref, dtype, lanes)

    def void(self, text: str) -> None:
        """One instruction that yields nothing."""
        self._lines.append("  " + text)

    def comment(self, text: str) -> None:
        self._lines.append("  ; " + text.replace("\n", " "))

    def declare(self, name: str, result: str, arguments: Sequence[str]) -> None:
        self._declared[name] = f"declare {result} @{name}({', '.join(arguments)})"

    def text(self) -> str:
        """The whole module."""
        sep = ", "
        head = f"define void @{self.name}({sep.join(f'{t} noundef %{n}' for n, t in self._parameters)}) #0 {{\nentry:"
        body = "\n".join([*self._entry, *self._lines])
        attributes = 'attributes #0 = { nounwind "frame-pointer"="none" "no-trapping-math"="true" '
        attributes += f'"prefer-vector-width"="{self.vector_bits}" "min-legal-vector-width"="{self.vector_bits}" }}'
        return "\n".join([head, body, "  ret void", "}", *self._declared.values(), attributes, ""])

    # --- constants ----------------------------------------------------------------------------------------------
    def const(self, value: float | int | bool, dtype: DType, lanes: int = 1) -> Value:
        """A constant in every lane."""
        text = literal(value, dtype)
        if lanes == 1:
            return Value(text, dtype)
        return Value(f"splat ({LLVM[dtype]} {text})", dtype, lanes)

    def like(self, value: float | int | bool, model: Value) -> Value:
        """A constant of the element type and lanes of `model`."""
        assert model.dtype is not None
        return self.const(value, model.dtype, model.lanes)

    def index(self, value: int) -> Value:
        """An int64 scalar constant."""
        return Value(str(value), dt.int64)

    def vector(self, values: Sequence[float | int | bool], dtype: DType) -> Value:
        """A constant vector with the given lanes."""
        inner = ", ".join(f"{LLVM[dtype]} {literal(v, dtype)}" for v in values)
        return Value(f"<{inner}>", dtype, len(values))

    def table(self, values: Sequence[float | int], dtype: DType) -> Value:
        """A pointer to a read-only array of constants (for table lookups)."""
        inner = ", ".join(f"{LLVM[dtype]} {literal(v, dtype)}" for v in values)
        key = ("table", inner)
        if key not in self._memo:
            name = f"table{len(self._declared)}_{self.name}"
            body = f"[{len(values)} x {LLVM[dtype]}] [{inner}], align 64"
            self._declared[name] = f"@{name} = private unnamed_addr constant {body}"
            self._memo[key] = Value(f"@{name}", None)
        return self._memo[key]

    # --- lanes --------------------------------------------------------------------------------------------------
    def splat(self, value: Value, lanes: int) -> Value:
        """A scalar in every lane."""
        if lanes == value.lanes:
            return value
        if not value.ref.startswith("%"):
            return Value(f"splat ({value})", value.dtype, lanes)
        vec = f"<{lanes} x {value.type}>"
        one = self.emit(f"insertelement {vec} poison, {value}, i64 0", value.dtype, lanes)
        return self.emit(f"shufflevector {one}, {vec} poison, <{lanes} x i32> zeroinitializer", value.dtype, lanes)

    def iota(self, lanes: int, dtype: DType = dt.int64) -> Value:
        """0, 1, 2 ... in the lanes."""
        return self.const(0, dtype) if lanes == 1 else self.vector(range(lanes), dtype)

    def extract(self, vector: Value, lane: int) -> Value:
        if vector.lanes == 1:
            return vector
        return self.emit(f"extractelement {vector}, i64 {lane}", vector.dtype)

    def insert(self, vector: Value, scalar: Value, lane: int) -> Value:
        return self.emit(f"insertelement {vector}, {scalar}, i64 {lane}", vector.dtype, vector.lanes)

    def shuffle(self, a: Value, b: Value, lanes: Sequence[int]) -> Value:
        """Pick lanes of the concatenation of `a` and `b`."""
        mask = ", ".join(f"i32 {i}" for i in lanes)
        return self.emit(f"shufflevector {a}, {b}, <{len(lanes)} x i32> <{mask}>", a.dtype, len(lanes))

    def fold(self, vector: Value, combine: Callable[[Value, Value], Value]) -> Value:
        """Combine all lanes into a scalar by halving: a fixed order, so the result never varies."""
        width = vector.lanes
        while width > 1:
            half = width // 2
            low = self.shuffle(vector, vector, range(half)) if half > 1 else self.extract(vector, 0)
            high = self.shuffle(vector, vector, range(half, width)) if half > 1 else self.extract(vector, 1)
            vector, width = combine(low, high), half
        return vector

    # --- arithmetic by element type ---------------------------------------------------------------------------
    def _binary(self, opcode: str, a: Value, b: Value) -> Value:
        if a.type != b.type:
            raise EngineError(f"kernel emission: {opcode} of {a.type} and {b.type}")
        return self.emit(f"{opcode} {a}, {b.ref}", a.dtype, a.lanes)

    def _pick(self, a: Value, *, f: str, s: str, u: str) -> str:
        assert a.dtype is not None
        return {"f": f, "i": s, "u": u, "b": u}[a.dtype.kind]

    def add(self, a: Value, b: Value) -> Value:
        return self._binary(self._pick(a, f="fadd", s="add", u="add"), a, b)

    def sub(self, a: Value, b: Value) -> Value:
        return self._binary(self._pick(a, f="fsub", s="sub", u="sub"), a, b)

    def mul(self, a: Value, b: Value) -> Value:
        return self._binary(self._pick(a, f="fmul", s="mul", u="mul"), a, b)

    def div(self, a: Value, b: Value) -> Value:
        """Quotient; integers truncate towards zero and must not divide by zero."""
        return self._binary(self._pick(a, f="fdiv", s="sdiv", u="udiv"), a, b)

    def rem(self, a: Value, b: Value) -> Value:
        """Remainder with the sign of `a`, integers only (floats: compose from `trunc`)."""
        return self._binary(self._pick(a, f="frem", s="srem", u="urem"), a, b)

    def fma(self, a: Value, b: Value, c: Value) -> Value:
        """a * b + c, rounded once."""
        return self.intrinsic("llvm.fma", a, b, c)

    def neg(self, a: Value) -> Value:
        assert a.dtype is not None
        if a.dtype.kind == "f":
            return self.emit(f"fneg {a}", a.dtype, a.lanes)
        return self.sub(self.like(0, a), a)

    def abs(self, a: Value) -> Value:
        assert a.dtype is not None
        if a.dtype.kind == "f":
            return self.intrinsic("llvm.fabs", a)
        if a.dtype.kind == "i":
            return self.select(self.less(a, self.like(0, a)), self.neg(a), a)
        return a

    def and_(self, a: Value, b: Value) -> Value:
        return self._binary("and", a, b)

    def or_(self, a: Value, b: Value) -> Value:
        return self._binary("or", a, b)

    def xor(self, a: Value, b: Value) -> Value:
        return self._binary("xor", a, b)

    def not_(self, a: Value) -> Value:
        assert a.dtype is not None
        return self.xor(a, self.like(True if a.dtype.kind == "b" else -1, a))

    def shl(self, a: Value, b: Value) -> Value:
        return self._binary("shl", a, b)

    def shr(self, a: Value, b: Value) -> Value:
        """Shift right: arithmetic for signed, logical for unsigned."""
        return self._binary(self._pick(a, f="", s="ashr", u="lshr"), a, b)

    # --- comparison and choice --------------------------------------------------------------------------------
    def _compare(self, a: Value, b: Value, f: str, s: str, u: str) -> Value:
        assert a.dtype is not None
        opcode = f"fcmp {f}" if a.dtype.kind == "f" else f"icmp {s if a.dtype.kind == 'i' else u}"
        if a.type != b.type:
            raise EngineError(f"kernel emission: {opcode} of {a.type} and {b.type}")
        return self.emit(f"{opcode} {a}, {b.ref}", dt.bool_, a.lanes)

    def less(self, a: Value, b: Value) -> Value:
        return self._compare(a, b, "olt", "slt", "ult")

    def less_equal(self, a: Value, b: Value) -> Value:
        return self._compare(a, b, "ole", "sle", "ule")

    def greater(self, a: Value, b: Value) -> Value:
        return self._compare(a, b, "ogt", "sgt", "ugt")

    def greater_equal(self, a: Value, b: Value) -> Value:
        return self._compare(a, b, "oge", "sge", "uge")

    def equal(self, a: Value, b: Value) -> Value:
        return self._compare(a, b, "oeq", "eq", "eq")

    def not_equal(self, a: Value, b: Value) -> Value:
        return self._compare(a, b, "une", "ne", "ne")

    def is_nan(self, a: Value) -> Value:
        return self.emit(f"fcmp uno {a}, {a.ref}", dt.bool_, a.lanes)

    def select(self, condition: Value, a: Value, b: Value) -> Value:
        """`a` where the condition holds, else `b`; the condition may be scalar."""
        return self.emit(f"select {condition}, {a}, {b}", a.dtype, a.lanes)

    def any(self, mask: Value) -> Value:
        """Whether any lane of a bool value is true, as a scalar."""
        if mask.lanes == 1:
            return mask
        name = f"llvm.vector.reduce.or.v{mask.lanes}i1"
        self.declare(name, "i1", [mask.type])
        return self.emit(f"call i1 @{name}({mask})", mask.dtype)

    def maximum(self, a: Value, b: Value) -> Value:
        """The larger; NaN if either is NaN."""
        assert a.dtype is not None
        if a.dtype.kind != "f":
            return self.select(self.greater(a, b), a, b)
        # ogt is false on NaN: picks b, and a NaN in a is caught by the second select
        return self.select(self.is_nan(a), a, self.select(self.greater(a, b), a, b))

    def minimum(self, a: Value, b: Value) -> Value:
        """The smaller; NaN if either is NaN."""
        assert a.dtype is not None
        if a.dtype.kind != "f":
            return self.select(self.less(a, b), a, b)
        return self.select(self.is_nan(a), a, self.select(self.less(a, b), a, b))

    # --- math -------------------------------------------------------------------------------------------------
    def intrinsic(self, name: str, *args: Value) -> Value:
        """An LLVM intrinsic overloaded on the type of its first argument."""
        a = args[0]
        scalar = LLVM[a.dtype] if a.dtype is not None else "ptr"
        suffix = SUFFIX.get(scalar, scalar)
        full = f"{name}.{suffix}" if a.lanes == 1 else f"{name}.v{a.lanes}{suffix}"
        self.declare(full, a.type, [x.type for x in args])
        return self.emit(f"call {a.type} @{full}({', '.join(map(str, args))})", a.dtype, a.lanes)

    def sqrt(self, a: Value) -> Value:
        return self.intrinsic("llvm.sqrt", a)

    def floor(self, a: Value) -> Value:
        return self.intrinsic("llvm.floor", a)

    def ceil(self, a: Value) -> Value:
        return self.intrinsic("llvm.ceil", a)

    def trunc(self, a: Value) -> Value:
        return self.intrinsic("llvm.trunc", a)

    def round_even(self, a: Value) -> Value:
        return self.intrinsic("llvm.roundeven", a)

    def copysign(self, magnitude: Value, sign: Value) -> Value:
        return self.intrinsic("llvm.copysign", magnitude, sign)

    def math(self, name: str, *args: Value) -> Value:
        """A function of `vecmath` (exp, log, tanh ...), inlined here."""
        return self._math[name](self, *args)

    # --- conversion -------------------------------------------------------------------------------------------
    def bitcast(self, a: Value, dtype: DType) -> Value:
        """The same bits as another type of the same width."""
        if a.dtype is not None and LLVM[a.dtype] == LLVM[dtype]:
            return Value(a.ref, dtype, a.lanes)
        return self.emit(f"bitcast {a} to {llvm_type(dtype, a.lanes)}", dtype, a.lanes)

    def bits_of(self, a: Value) -> Value:
        """The bits of a float as a signed integer of its width."""
        assert a.dtype is not None
        return self.bitcast(a, INT_OF_BITS[a.dtype.bits])

    def convert(self, a: Value, dtype: DType) -> Value:
        """The value as another type, as NumPy's astype (float to integer saturates; NaN gives 0).

        float16 and bfloat16 are rounded to and held as float32: registers hold no half floats.
        """
        source = a.dtype
        assert source is not None
        if source is dtype:
            return a
        if dtype in (dt.float16, dt.bfloat16):
            wide = self.convert(a, dt.float32)
            half = self.emit(f"fptrunc {wide} to {llvm_type(dtype, a.lanes)}", dtype, a.lanes)
            return self.emit(f"fpext {half} to {llvm_type(dt.float32, a.lanes)}", dt.float32, a.lanes)
        if source in (dt.float16, dt.bfloat16):
            source = dt.float32  # already held wide
        target = llvm_type(dtype, a.lanes)
        if dtype.kind == "b":
            return self.not_equal(a, self.like(0, a))
        if source.kind == "b":
            opcode = "uitofp" if dtype.kind == "f" else "zext"
        elif source.kind == "f" and dtype.kind == "f":
            if source is dtype:
                return a
            opcode = "fpext" if dtype.bits > source.bits else "fptrunc"
        elif source.kind == "f" and a.lanes > 1:
            return self._whole(a, dtype)
        elif source.kind == "f":
            name = "llvm.fptosi.sat" if dtype.kind == "i" else "llvm.fptoui.sat"
            lanes = "" if a.lanes == 1 else f"v{a.lanes}"
            full = f"{name}.{lanes}{LLVM[dtype]}.{lanes}{SUFFIX[LLVM[source]]}"
            self.declare(full, target, [a.type])
            return self.emit(f"call {target} @{full}({a})", dtype, a.lanes)
        elif dtype.kind == "f":
            opcode = "sitofp" if source.kind == "i" else "uitofp"
        elif dtype.bits == source.bits:
            return Value(a.ref, dtype, a.lanes)
        elif dtype.bits < source.bits:
            opcode = "trunc"
        else:
            opcode = "sext" if source.kind == "i" else "zext"
        return self.emit(f"{opcode} {a} to {target}", dtype, a.lanes)

    def _whole(self, a: Value, dtype: DType) -> Value:
        """Floats cut to integers as llvm.fpto*i.sat cuts them, which LLVM would do lane by lane."""
        least, most, last = whole_limits(a.dtype, dtype)  # type: ignore[arg-type]
        low, high = self.like(least, a), self.like(most, a)
        inside = self.select(self.less(low, a), self.select(self.less(a, high), a, high), low)
        inside = self.select(self.is_nan(a), self.like(0, a), inside)
        made = self.emit(f"{'fptosi' if dtype.kind == 'i' else 'fptoui'} {inside} to {llvm_type(dtype, a.lanes)}", dtype, a.lanes)
        return made if most == last else self.select(self.less(high, a), self.const(last, dtype, a.lanes), made)

    # --- memory -----------------------------------------------------------------------------------------------
    def offset(self, pointer: Value, index: Value | int, dtype: DType) -> Value:
        """`pointer` advanced by `index` elements of `dtype`."""
        index = self.index(index) if isinstance(index, int) else index
        if index.ref == "0":
            return pointer
        memory = "i8" if dtype.kind == "b" else LLVM[dtype]
        return self.emit(f"getelementptr {memory}, {pointer}, {index}", None)

    def offset_bytes(self, pointer: Value, index: Value | int) -> Value:
        return self.offset(pointer, index, dt.int8)

    def load(self, pointer: Value, dtype: DType, lanes: int = 1, mask: Value | None = None, *, align: int = 0) -> Value:
        """Load consecutive elements; masked-off lanes read nothing and hold 0. Half floats arrive as float32."""
        memory = dt.uint8 if dtype.kind == "b" else dtype
        align = align or memory.itemsize
        kind = llvm_type(memory, lanes)
        if mask is None:
            raw = self.emit(f"load {kind}, {pointer}, align {align}", memory, lanes)
        else:
            suffix = SUFFIX.get(LLVM[memory], LLVM[memory])
            name = f"llvm.masked.load.v{lanes}{suffix}.p0"
            self.declare(name, kind, ["ptr", f"<{lanes} x i1>", kind])
            call = f"call {kind} @{name}(ptr align {align} {pointer.ref}, {mask}, {kind} zeroinitializer)"
            raw = self.emit(call, memory, lanes)
        if dtype.kind == "b":
            return self.not_equal(raw, self.like(0, raw))
        if dtype in (dt.float16, dt.bfloat16):
            return self.emit(f"fpext {raw} to {llvm_type(dt.float32, lanes)}", dt.float32, lanes)
        return raw

    def store(self, value: Value, pointer: Value, dtype: DType, mask: Value | None = None, *, align: int = 0,
              nontemporal: bool = False) -> None:  # fmt: skip
        """Store consecutive elements as `dtype`; masked-off lanes write nothing."""
        memory = dt.uint8 if dtype.kind == "b" else dtype
        align = align or memory.itemsize
        if dtype.kind == "b":
            value = self.emit(f"zext {value} to {llvm_type(memory, value.lanes)}", memory, value.lanes)
        elif dtype in (dt.float16, dt.bfloat16):
            value = self.emit(f"fptrunc {value} to {llvm_type(dtype, value.lanes)}", dtype, value.lanes)
        if mask is None:
            extra = ", !nontemporal !0" if nontemporal else ""
            if nontemporal:
                self._declared["!0"] = "!0 = !{i32 1}"
            self.void(f"store {value}, {pointer}, align {align}{extra}")
            return
        suffix = SUFFIX.get(LLVM[memory], LLVM[memory])
        name = f"llvm.masked.store.v{value.lanes}{suffix}.p0"
        self.declare(name, "void", [value.type, "ptr", f"<{value.lanes} x i1>"])
        self.void(f"call void @{name}({value}, ptr align {align} {pointer.ref}, {mask})")

    def gather(self, pointer: Value, indices: Value, dtype: DType, mask: Value | None = None) -> Value:
        """Load element `indices[lane]` into each lane; masked-off lanes read nothing and hold 0."""
        memory = dt.uint8 if dtype.kind == "b" else dtype
        if indices.lanes == 1:
            return self.load(self.offset(pointer, indices, memory), dtype)
        lanes = indices.lanes
        kind, suffix = llvm_type(memory, lanes), SUFFIX.get(LLVM[memory], LLVM[memory])
        pointers = self._name()
        self.void(f"{pointers} = getelementptr {LLVM[memory]}, {pointer}, {indices}")
        mask = mask or self.const(True, dt.bool_, lanes)
        name = f"llvm.masked.gather.v{lanes}{suffix}.v{lanes}p0"
        self.declare(name, kind, [f"<{lanes} x ptr>", f"<{lanes} x i1>", kind])
        arguments = f"<{lanes} x ptr> align {memory.itemsize} {pointers}, {mask}, {kind} zeroinitializer"
        raw = self.emit(f"call {kind} @{name}({arguments})", memory, lanes)
        if dtype.kind == "b":
            return self.not_equal(raw, self.like(0, raw))
        if dtype in (dt.float16, dt.bfloat16):
            return self.emit(f"fpext {raw} to {llvm_type(dt.float32, lanes)}", dt.float32, lanes)
        return raw

    def scatter(self, value: Value, pointer: Value, indices: Value, dtype: DType, mask: Value | None = None) -> None:
        """Store lane by lane to element `indices[lane]`; later lanes win."""
        memory = dt.uint8 if dtype.kind == "b" else dtype
        if indices.lanes == 1:
            self.store(value, self.offset(pointer, indices, memory), dtype)
            return
        if dtype.kind == "b":
            value = self.emit(f"zext {value} to {llvm_type(memory, value.lanes)}", memory, value.lanes)
        elif dtype in (dt.float16, dt.bfloat16):
            value = self.emit(f"fptrunc {value} to {llvm_type(dtype, value.lanes)}", dtype, value.lanes)
        lanes = indices.lanes
        suffix = SUFFIX.get(LLVM[memory], LLVM[memory])
        pointers = self._name()
        self.void(f"{pointers} = getelementptr {LLVM[memory]}, {pointer}, {indices}")
        mask = mask or self.const(True, dt.bool_, lanes)
        name = f"llvm.masked.scatter.v{lanes}{suffix}.v{lanes}p0"
        self.declare(name, "void", [value.type, f"<{lanes} x ptr>", f"<{lanes} x i1>"])
        self.void(f"call void @{name}({value}, <{lanes} x ptr> align {memory.itemsize} {pointers}, {mask})")

    def argument(self, slot: int, dtype: DType | None = None) -> Value:
        """Argument `slot` of a kernel: parameter 0 points to an array of 64-bit words. None gives a pointer."""
        key = ("argument", slot, dtype)
        if key not in self._memo:
            ref = self._name()
            kind = "ptr" if dtype is None else LLVM[dtype]
            base = self.parameters[0]
            self._entry.append(f"  {ref}p = getelementptr i64, {base}, i64 {slot}")
            self._entry.append(f"  {ref} = load {kind}, ptr {ref}p, align 8, !invariant.load !1")
            self._declared["!1"] = "!1 = !{}"
            self._memo[key] = Value(ref, dtype)
        return self._memo[key]

    def arguments(self, names: Sequence[str], pointers: Sequence[str], first: int = 0) -> dict[str, Value]:
        """Arguments by name, from slot `first` on: those named in `pointers` are addresses, the others whole numbers."""
        return {name: self.argument(slot, None if name in pointers else dt.int64) for slot, name in enumerate(names, first)}

    def stack(self, dtype: DType, count: int, align: int = 64) -> Value:
        """A stack buffer of `count` elements, allocated once at function entry."""
        ref = self._name()
        memory = "i8" if dtype.kind == "b" else LLVM[dtype]
        self._entry.append(f"  {ref} = alloca [{count} x {memory}], align {align}")
        return Value(ref, None)

    def opaque(self, scalar: Value) -> Value:
        """The same pointer or integer with its origin hidden from LLVM; costs no instruction.

        In a loop it keeps the addressing as written (strength reduction over many addresses takes most of the compile
        time). Before a loop it gives the loop a copy of its own, which the allocator then keeps in a register.
        """
        return self.emit(f'call {scalar.type} asm "", "=r,0"({scalar})', scalar.dtype)

    def prefetch(self, pointer: Value, locality: int = 3, *, write: bool = False) -> None:
        self.declare("llvm.prefetch.p0", "void", ["ptr", "i32", "i32", "i32"])
        self.void(f"call void @llvm.prefetch.p0({pointer}, i32 {int(write)}, i32 {locality}, i32 1)")

    # --- control ----------------------------------------------------------------------------------------------
    def block(self, hint: str = "b") -> str:
        """A new label, to be opened with `at`."""
        self._blocks += 1
        return f"{hint}{self._blocks}"

    def at(self, label: str) -> None:
        """Continue in block `label`."""
        self._lines.append(f"{label}:")
        self._block = label

    def jump(self, label: str) -> None:
        self.void(f"br label %{label}")

    def branch(self, condition: Value, then: str, otherwise: str, *, rare: bool = False) -> None:
        """Go to `then` if the scalar condition holds; rare: expect it not to, and keep `then` out of the straight path."""
        weights = ""
        if rare:
            weights = ", !prof !3"
            self._declared["!3"] = '!3 = !{!"branch_weights", i32 1, i32 4000}'
        self.void(f"br {condition}, label %{then}, label %{otherwise}{weights}")

    @property
    def here(self) -> str:
        """Label of the current block (for phis)."""
        return self._block

    def phi(self, dtype: DType | None, lanes: int, incoming: Sequence[tuple[Value, str]]) -> Value:
        """A phi of known incoming values; must come first in its block."""
        kind = Value("", dtype, lanes).type
        sources = ", ".join(f"[ {v.ref}, %{label} ]" for v, label in incoming)
        return self.emit(f"phi {kind} {sources}", dtype, lanes)

    @contextmanager
    def loop(
        self, start: Value | int, stop: Value | int, step: Value | int = 1, carried: Sequence[Value] = ()
    ) -> Iterator[Loop]:
        """`for index in range(start, stop, step)` with carried values; the test comes first, so it may run zero times.

        Inside, call `loop.next([...])` with the values of the next turn; afterwards `loop.results` holds the last ones.
        """
        start, stop, step = (self.index(x) if isinstance(x, int) else x for x in (start, stop, step))
        head, body, end = self.block("head"), self.block("body"), self.block("end")
        before = self.here
        self.jump(head)
        self.at(head)
        index = self._name()
        names = [self._name() for _ in carried]
        position = len(self._lines)  # the phis are written when the back edge is known
        self.void(f"{index}c = icmp slt i64 {index}, {stop.ref}")
        self.void(f"br i1 {index}c, label %{body}, label %{end}")
        self.at(body)
        values = [Value(n, c.dtype, c.lanes) for n, c in zip(names, carried, strict=True)]
        loop = Loop(Value(index, dt.int64), values)
        yield loop
        if len(loop._next) != len(carried):
            raise EngineError(f"kernel emission: loop carries {len(carried)} values, next() gave {len(loop._next)}")
        following = self.emit(f"add nsw i64 {index}, {step.ref}", dt.int64)
        back = self.here
        self.jump(head)
        phis = [f"  {index} = phi i64 [ {start.ref}, %{before} ], [ {following.ref}, %{back} ]"]
        for value, first, later in zip(values, carried, loop._next, strict=True):
            edges = f"[ {first.ref}, %{before} ], [ {later.ref}, %{back} ]"
            phis.append(f"  {value.ref} = phi {value.type} {edges}")
        self._lines[position:position] = phis
        self.at(end)

    @contextmanager
    def when(self, condition: Value) -> Iterator[None]:
        """The body runs only if the scalar condition holds."""
        then, end = self.block("then"), self.block("endif")
        self.branch(condition, then, end)
        self.at(then)
        yield
        self.jump(end)
        self.at(end)

    def either(self, condition: Value, then: Callable[[], Sequence[Value]], otherwise: Callable[[], Sequence[Value]],
               *, rare: bool = False) -> list[Value]:  # fmt: skip
        """Run one of two bodies and merge the values they return; rare: the first is hardly ever run."""
        yes, no, end = self.block("yes"), self.block("no"), self.block("merge")
        self.branch(condition, yes, no, rare=rare)
        self.at(yes)
        first, first_end = list(then()), self.here
        self.jump(end)
        self.at(no)
        second, second_end = list(otherwise()), self.here
        self.jump(end)
        self.at(end)
        pairs = zip(first, second, strict=True)
        return [self.phi(a.dtype, a.lanes, [(a, first_end), (b, second_end)]) for a, b in pairs]

    def lane_mask(self, count: Value, lanes: int) -> Value:
        """True in the first `count` lanes (int64 scalar)."""
        narrow = self.convert(self.minimum(count, self.index(lanes)), dt.int32)
        return self.less(self.iota(lanes, dt.int32), self.splat(narrow, lanes))
