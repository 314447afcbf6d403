"""The parent's side of a worker, and the processes that only keep cores busy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

WORKER = Path(__file__).with_name("worker.py")
CORES = 2
CORES_VARIABLE = "BENCHMARK_CORES"  # the worker keeps to these cores
SPIN = "import os, sys; getattr(os, 'sched_setaffinity', print)(0, [int(sys.argv[1])])\nwhile True: pass"


class WorkerFailure(Exception):
    """A worker ended, or took too long, instead of answering; the text is the last thing it said."""


def cores() -> list[int]:
    """The cores that every worker may use: the first two this process has."""
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    return sorted(allowed)[:CORES]


def environment(threads: int, cache: Path) -> dict[str, str]:
    """A worker's variables: its threads, its caches, and none that narrows a library's choice of kernels."""
    steered = {"OPENBLAS_CORETYPE", "MKL_DEBUG_CPU_TYPE", "NPY_DISABLE_CPU_FEATURES", "XLA_FLAGS", "TF_ENABLE_ONEDNN_OPTS"}
    steered |= {"SALTUS_SHOW", "SALTUS_VERIFY", "SALTUS_BACKEND", "SALTUS_VECTOR_BITS"}
    inherited = {name: value for name, value in os.environ.items() if name not in steered}
    counted = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "SALTUS_THREADS")
    counts = dict.fromkeys(counted, str(threads))
    caches = {
        "SALTUS_CACHE": str(cache / "saltus"),
        "TORCHINDUCTOR_CACHE_DIR": str(cache / "torch"),
        "JAX_COMPILATION_CACHE_DIR": str(cache / "jax"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }
    quiet = {"JAX_PLATFORMS": "cpu", "TF_CPP_MIN_LOG_LEVEL": "2", "CUDA_VISIBLE_DEVICES": "-1"}
    return inherited | counts | caches | quiet | {CORES_VARIABLE: ",".join(map(str, cores()))}


class WorkerProcess:
    """A worker that has prepared its work and waits; `ask` has it do some.

    Args:
        python: the interpreter of the system.
        arguments: system, mode, workload and case.
        threads: how many the system may use.
        cache: folder for whatever the system keeps between processes.
        seconds: patience for one answer.
    """

    def __init__(
        self, python: str, arguments: tuple[str, ...], threads: int, cache: Path, seconds: float = 600
    ) -> None:
        self.seconds = seconds
        self.said = tempfile.TemporaryFile()  # noqa: SIM115  (closed with the worker)
        self.process = subprocess.Popen(
            [python, str(WORKER), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.said,
            text=True,
            env=environment(threads, cache),
        )
        try:
            self.started = self._answer()
        except WorkerFailure:
            self.close()
            raise

    def ask(self, do: str, **details: float) -> dict:
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps({"do": do, **details}) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise WorkerFailure(self._last_words()) from None
        return self._answer()

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.said.close()

    def _answer(self) -> dict:
        assert self.process.stdout is not None
        watch = threading.Timer(self.seconds, self.process.kill)
        watch.start()
        try:
            line = self.process.stdout.readline()
        finally:
            watch.cancel()
        if not line:
            self.process.wait()
            raise WorkerFailure(self._last_words())
        return json.loads(line)

    def _last_words(self) -> str:
        self.said.seek(0)
        lines = self.said.read().decode(errors="replace").strip().splitlines()
        silent = f"no answer within {self.seconds:.0f} s, or ended with {self.process.returncode}"
        return lines[-1] if lines else silent


@contextmanager
def busy_cores(count: int) -> Iterator[None]:
    """Keeps the last `count` of the two cores busy with processes that never rest."""
    commands = ([sys.executable, "-c", SPIN, str(core)] for core in cores()[::-1][:count])
    spinners = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for command in commands]
    try:
        yield
    finally:
        for spinner in spinners:
            spinner.kill()
            spinner.wait()
