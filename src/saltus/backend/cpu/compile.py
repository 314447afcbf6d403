"""LLVM IR text to machine code on this CPU, with a store on disk; the only file that imports llvmlite.

The store keeps one object file a kernel, named by the hash of everything that decides its content (key, CPU, feature set,
LLVM and saltus version), and the plans of `plans.py`. Everything in it carries a checksum that is verified when it is read;
what is damaged is made again. Code generation runs without LLVM's optimiser: the text is already vectorised and unrolled.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import hashlib
import os
import platform
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from saltus.base import settings
from saltus.base.errors import EngineError

_MAGIC = b"SALTUSO1"
LIMIT = 1 << 29  # bytes of the store
_lock = threading.RLock()


@functools.cache
def _llvm() -> Any:
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm


@functools.cache
def host() -> tuple[str, str]:
    """This machine's CPU name and feature string in LLVM's spelling."""
    llvm = _llvm()
    return llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()


@functools.cache
def vector_bits() -> int:
    """Width of the vector registers kernels are written for: 512, 256 or 128."""
    forced = settings.vector_bits()
    if forced:
        return forced
    features = host()[1].split(",")
    if "+avx512f" in features and "+avx512vl" in features and "+avx512dq" in features and "+avx512bw" in features:
        return 512
    return 256 if "+avx2" in features and "+fma" in features else 128


def target_machine(triple: str | None = None, cpu: str | None = None, features: str | None = None) -> Any:
    """A code generator for this machine, or for another one to read its instructions."""
    llvm = _llvm()
    if triple is None:
        name, flags = host()
        return llvm.Target.from_default_triple().create_target_machine(cpu=name, features=flags, opt=2, jit=True, codemodel="jitdefault")
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    return llvm.Target.from_triple(triple).create_target_machine(cpu=cpu or "", features=features or "", opt=2)


_local = threading.local()


def _machine() -> Any:
    if not hasattr(_local, "machine"):
        _local.machine = target_machine()  # one a thread: LLVM's target machines are not shared
    return _local.machine


def assembly(text: str, triple: str | None = None, cpu: str | None = None, features: str | None = None) -> str:
    """The instructions LLVM selects for IR text, on this machine or another."""
    llvm = _llvm()
    machine = target_machine(triple, cpu, features)
    module = llvm.parse_assembly(text)
    module.triple = machine.triple
    return machine.emit_assembly(module)


def object_code(text: str) -> bytes:
    """Compile IR text to a relocatable object for this machine.

    Raises:
        EngineError: the text is not valid IR; carries LLVM's message.
    """
    llvm = _llvm()
    with llvm_context() as context:
        try:
            module = llvm.parse_assembly(text, context)
            module.verify()
        except RuntimeError as error:
            raise EngineError(f"LLVM refused a kernel: {error}\n{text}") from error
        return _emitter()(module)


@functools.cache
def _emitter() -> Callable[[Any], bytes]:
    """A function from modules to object code that several threads may be in at once.

    llvmlite takes one lock around every call of its library. Generating code is nearly all of LLVM's time, and LLVM lets
    threads do it side by side as long as each has a context and a target machine of its own: this one call goes past the lock.
    """
    llvm = _llvm()
    try:
        library = ctypes.CDLL(llvm.ffi.lib._name)
        emit, start, size, dispose = (
            library.LLVMPY_TargetMachineEmitToMemory, library.LLVMPY_GetBufferStart, library.LLVMPY_GetBufferSize,
            library.LLVMPY_DisposeMemoryBuffer,
        )  # fmt: skip
    except (AttributeError, OSError):  # another llvmlite: one kernel at a time
        return lambda module: bytes(_machine().emit_object(module))
    address = ctypes.c_void_p
    emit.argtypes, emit.restype = (address, address, ctypes.c_int, ctypes.POINTER(ctypes.c_char_p)), address
    start.argtypes, start.restype = (address,), address
    size.argtypes, size.restype = (address,), ctypes.c_size_t
    dispose.argtypes, dispose.restype = (address,), None

    def object_of(module: Any) -> bytes:
        message = ctypes.c_char_p()
        buffer = emit(_machine()._ptr, module._ptr, 1, ctypes.byref(message))
        if not buffer:
            raise EngineError(f"LLVM could not compile a kernel: {(message.value or b'').decode(errors='replace')}")
        try:
            return ctypes.string_at(start(buffer), size(buffer))
        finally:
            dispose(buffer)

    return object_of


@functools.cache
def _trim() -> Callable[[int], int]:
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # only glibc has and needs it
        return lambda pad: 0
    trim.argtypes, trim.restype = (ctypes.c_size_t,), ctypes.c_int
    return trim


def give_back() -> None:
    """Give the system what generating code has freed: up to 35 MB, which glibc would keep for this process (under a millisecond)."""
    _trim()(0)


def llvm_context() -> Any:
    """A context of its own, so that kernels can be compiled side by side."""
    return _Context(_llvm().create_context())


class _Context:
    def __init__(self, context: Any) -> None:
        self._context = context

    def __enter__(self) -> Any:
        return self._context

    def __exit__(self, *_: object) -> None:
        return None


class _Linker:
    """Places objects in executable memory and finds their functions; lives as long as the process."""

    def __init__(self) -> None:
        llvm = _llvm()
        self._engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), target_machine())

    def load(self, code: bytes, symbol: str) -> int:
        llvm = _llvm()
        self._engine.add_object_file(llvm.ObjectFileRef.from_data(code))
        self._engine.finalize_object()
        return self.address(symbol)

    def address(self, symbol: str) -> int:
        return int(self._engine.get_function_address(symbol))


@functools.cache
def _linker() -> _Linker:
    return _Linker()


@functools.cache
def store_folder() -> Path | None:
    """Where machine code is kept: SALTUS_CACHE, else the user's cache folder; None when it cannot be written."""
    folder = settings.cache_folder()
    if folder is None:
        return None
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder


@functools.cache
def _salt() -> str:
    """Everything beside its key that decides a kernel's code or a plan: the CPU, LLVM, and the sources of the engine."""
    cpu, features = host()
    parts = [cpu, features, str(vector_bits()), str(_llvm().llvm_version_info), platform.machine()]
    root = Path(__file__).parents[2]
    for folder in ("base", "ir", "ops", "transform", "schedule", "backend/cpu"):
        parts += [hashlib.sha256(source.read_bytes()).hexdigest() for source in sorted((root / folder).glob("*.py"))]
    return "|".join(parts)


def symbol_of(key: str) -> str:
    """Name of a kernel's function and of its file in the store."""
    salt = _salt()
    return "k" + hashlib.sha256(f"{salt}|{key}".encode()).hexdigest()[:32]


def read_entry(name: str) -> bytes | None:
    """What the store holds under a name, or None when there is nothing or it is damaged."""
    folder = store_folder()
    if folder is None:
        return None
    try:
        data = (folder / name).read_bytes()
    except OSError:
        return None
    head, digest, code = data[:8], data[8:40], data[40:]
    if head != _MAGIC or hashlib.sha256(code).digest() != digest:
        return None
    return code


def write_entry(name: str, data: bytes) -> None:
    """Put something into the store; replaced atomically, silently skipped when the disk refuses."""
    folder = store_folder()
    if folder is None:
        return
    try:
        handle, temporary = tempfile.mkstemp(dir=folder, suffix=".tmp")
        with os.fdopen(handle, "wb") as file:
            file.write(_MAGIC + hashlib.sha256(data).digest() + data)
        os.replace(temporary, folder / name)
    except OSError:
        return


def read_stored(symbol: str) -> bytes | None:
    """The stored object of a kernel, or None when there is none or it is damaged."""
    return read_entry(f"{symbol}.o")


def write_stored(symbol: str, code: bytes) -> None:
    """Keep the object of a kernel."""
    write_entry(f"{symbol}.o", code)


@functools.cache
def trim() -> None:
    """Once a process: where the store has grown beyond LIMIT bytes, its oldest quarter goes."""
    folder = store_folder()
    if folder is None:
        return
    with contextlib.suppress(OSError):
        found = [(entry.stat().st_mtime, entry.stat().st_size, entry.path) for entry in os.scandir(folder) if entry.is_file()]
        total = sum(size for _, size, _ in found)
        if total <= LIMIT:
            return
        for _, size, path in sorted(found):
            with contextlib.suppress(OSError):
                os.unlink(path)
            total -= size
            if total <= LIMIT * 3 // 4:
                return


def load(symbol: str, code: bytes) -> int:
    """Address of the function `symbol` of an object, placed in executable memory."""
    with _lock:
        return _linker().load(code, symbol)


def address(symbol: str) -> int:
    """Address of another function of an object that was loaded."""
    with _lock:
        return _linker().address(symbol)
