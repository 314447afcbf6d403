"""Measuring: the systems of a group of cases take turns in rounds; each system and mode ends as one row."""

from __future__ import annotations

import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from systems import SYSTEMS, modes
from workloads.base import Case, Command, Workload

from harness.process import CORES, WorkerFailure, WorkerProcess, busy_cores, environment

ROUND_SECONDS = 0.25  # how long a system works in one round
SETTLE_SECONDS = 0.1  # silence between systems: threads that wait by spinning have gone to sleep by then
LEAST_ROUNDS = 3  # done however long they take
STATES = ("cold", "cached")


@dataclass(frozen=True)
class Row:
    """A line of results.json; times are seconds a unit, memory is growth above the imported system."""

    workload: str
    system: str
    mode: str
    median_s: float | None
    min_s: float | None
    runs: int
    first_step_s: float | None
    peak_bytes: int | None
    compile_s: float | None = None  # the part of the first step that went into compiling


@dataclass
class Outcome:
    """What a workload gave: rows, versions seen, systems that could not take part, values that disagree."""

    rows: list[Row] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    missing: list[dict[str, str]] = field(default_factory=list)
    disagreements: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Entrant:
    """A system in one mode, about to do one case."""

    case: Case
    system: str
    mode: str


@dataclass(frozen=True)
class Setting:
    """What holds for the whole run: interpreters, who takes part, how long, and where to say what happens."""

    interpreters: dict[str, str]
    systems: frozenset[str]
    quick: bool
    cache: Path
    say: Callable[[str], None]

    def rounds(self, workload: Workload) -> int:
        return min(3, workload.rounds) if self.quick else workload.rounds

    def python(self, system: str) -> str:
        return self.interpreters[SYSTEMS[system].environment]

    def entrants(self, group: tuple[Case, ...], *, every_mode: bool) -> list[Entrant]:
        chosen = [
            Entrant(case, system, mode)
            for case in group
            for system in case.systems
            if system in self.systems | {"python"}
            for mode in (modes(system, case.work) if every_mode else modes(system, case.work)[:1])
        ]
        return chosen


@contextmanager
def cache_folder() -> Iterator[Path]:
    """A folder for what systems keep between processes: empty at first, gone in the end."""
    folder = Path(tempfile.mkdtemp(prefix="benchmark-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def measure(workload: Workload, setting: Setting) -> Outcome:
    """All rows of a workload."""
    ways = {"time": time_steps, "first step": time_first_steps, "memory": measure_memory, "scaling": time_steps, "share": time_steps}
    outcome = Outcome()
    for group in workload.groups:
        setting.say(f"  {', '.join(case.name for case in group)}")
        if any(isinstance(case.work, Command) for case in group):
            time_commands(workload, group, setting, outcome)
        else:
            ways[workload.shows](workload, group, setting, outcome)
    return outcome


def rounds(workload: Workload, setting: Setting) -> Iterator[int]:
    """As many rounds as the workload wants, fewer when its time is over."""
    end = time.perf_counter() + workload.seconds
    for number in range(setting.rounds(workload)):
        if number >= LEAST_ROUNDS and time.perf_counter() > end:
            return
        yield number


def time_steps(workload: Workload, group: tuple[Case, ...], setting: Setting, outcome: Outcome) -> None:
    """Rounds of warm work: every process is prepared once and waits for its turn."""
    workers: dict[Entrant, WorkerProcess] = {}
    taken: dict[Entrant, list[float]] = {}

    def get_ready(entrant: Entrant) -> None:
        """Starts a worker and notes the values that it must share with the others."""
        with reported(outcome, entrant, setting):
            workers[entrant] = start(workload, entrant, setting, setting.cache)
            outcome.versions[entrant.system] = workers[entrant].started["version"]
            checked[entrant] = dict(workers[entrant].ask("check")["values"])
        if entrant not in checked and entrant in workers:
            workers.pop(entrant).close()

    def ask_all(do: str, **details: float) -> dict[Entrant, dict]:
        """The answers of all workers; one that fails is noted and leaves."""
        answers = {}
        for entrant in entrants:
            if entrant not in workers:
                continue
            time.sleep(SETTLE_SECONDS)
            with reported(outcome, entrant, setting):
                answers[entrant] = workers[entrant].ask(do, **details)
            if entrant not in answers:
                workers.pop(entrant).close()
        return answers

    entrants = setting.entrants(group, every_mode=group[0].busy == 0)
    checked: dict[Entrant, dict[int, float]] = {}
    try:
        starters = ThreadPoolExecutor(CORES if workload.together else 1)
        try:
            list(starters.map(get_ready, entrants))
        finally:
            starters.shutdown(cancel_futures=True)
        many = {case.threads for case in group} != {group[0].threads}
        values = {
            f"{e.system} ({e.mode}{f', threads: {e.case.threads}' * many})": checked[e]
            for e in entrants
            if e in checked
        }
        outcome.disagreements += disagreements(group[0].name, workload.unit, values, group[0].within)
        with busy_cores(group[0].busy):
            ask_all("calibrate", seconds=ROUND_SECONDS)
            for _ in rounds(workload, setting):
                for entrant, answer in ask_all("time").items():
                    taken.setdefault(entrant, []).append(answer["seconds_a_unit"])
        for entrant, answer in ask_all("peak").items():
            first = None if workload.together else workers[entrant].started["first_step_s"]
            outcome.rows.append(row(entrant, taken[entrant], first, answer["peak_bytes"]))
    finally:
        for worker in workers.values():
            worker.close()


def time_first_steps(workload: Workload, group: tuple[Case, ...], setting: Setting, outcome: Outcome) -> None:
    """Rounds of new processes: each starts once with an empty cache and once with what it left there.

    A system whose rounds fill the workload's time has no further ones.
    """
    taken: dict[tuple[Entrant, str], list[tuple[float, float | None]]] = {}
    spent: dict[Entrant, float] = {}
    for _ in range(setting.rounds(workload)):
        for entrant in setting.entrants(group, every_mode=False):
            if spent.get(entrant, 0.0) > workload.seconds:
                continue
            begun = time.perf_counter()
            with cache_folder() as cache, reported(outcome, entrant, setting):
                for state in STATES:
                    with started(workload, entrant, setting, outcome, cache) as worker:
                        pair = worker.started["first_step_s"], worker.started["compile_s"]
                        taken.setdefault((entrant, state), []).append(pair)
            spent[entrant] = spent.get(entrant, 0.0) + time.perf_counter() - begun
    for (entrant, state), pairs in taken.items():
        named = replace(entrant, mode=f"{entrant.mode}, {state}")
        seconds, compiling = [first for first, _ in pairs], [own for _, own in pairs if own is not None]
        made = row(named, seconds, statistics.median(seconds), None)
        outcome.rows.append(replace(made, compile_s=statistics.median(compiling) if compiling else None))


def measure_memory(workload: Workload, group: tuple[Case, ...], setting: Setting, outcome: Outcome) -> None:
    """Rounds of new processes, each asked for its peak after some steps; caches are empty, so the compiler is in memory before them."""
    taken: dict[Entrant, list[tuple[float, int]]] = {}
    for _ in range(setting.rounds(workload)):
        for entrant in setting.entrants(group, every_mode=False):
            with (
                reported(outcome, entrant, setting),
                cache_folder() as cache,
                started(workload, entrant, setting, outcome, cache) as worker,
            ):
                worker.ask("check")
                peak = worker.ask("peak")["peak_bytes"]
                if peak is not None:
                    taken.setdefault(entrant, []).append((worker.started["first_step_s"], peak))
    for entrant, pairs in taken.items():
        seconds, peaks = zip(*pairs, strict=True)
        first = statistics.median(seconds)
        outcome.rows.append(row(entrant, list(seconds), first, int(statistics.median(peaks))))


def time_commands(workload: Workload, group: tuple[Case, ...], setting: Setting, outcome: Outcome) -> None:
    """Rounds of whole processes; one before them is not counted, so that files are in memory."""
    taken: dict[Entrant, list[float]] = {}
    entrants = setting.entrants(group, every_mode=False)
    for number in range(setting.rounds(workload) + 1):
        for entrant in entrants:
            if number and entrant not in taken:
                continue
            with reported(outcome, entrant, setting):
                variables = environment(entrant.case.threads, setting.cache)
                seconds = run_command(command_of(entrant, setting), variables)
                taken.setdefault(entrant, [])
                if number:
                    taken[entrant].append(seconds)
    outcome.rows += [row(entrant, values, None, None) for entrant, values in taken.items()]


def command_of(entrant: Entrant, setting: Setting) -> list[str]:
    """The command line of a case of whole processes."""
    assert isinstance(entrant.case.work, Command)
    python = setting.python(entrant.system)
    places = {"python": python, "module": SYSTEMS[entrant.system].module}
    places["saltus"] = str(Path(python).with_name("saltus"))
    return [part.format(**places) for part in entrant.case.work.arguments]


def run_command(arguments: list[str], variables: dict[str, str]) -> float:
    """Seconds that a process takes."""
    start_time = time.perf_counter()
    try:
        done = subprocess.run(arguments, capture_output=True, text=True, env=variables, check=False)
    except OSError as error:
        raise WorkerFailure(str(error)) from None
    if done.returncode:
        raise WorkerFailure((done.stderr.strip() or "no message").splitlines()[-1])
    return time.perf_counter() - start_time


@contextmanager
def started(
    workload: Workload, entrant: Entrant, setting: Setting, outcome: Outcome, cache: Path
) -> Iterator[WorkerProcess]:
    """A worker for one round."""
    time.sleep(SETTLE_SECONDS)
    worker = start(workload, entrant, setting, cache)
    outcome.versions[entrant.system] = worker.started["version"]
    try:
        yield worker
    finally:
        worker.close()


def start(workload: Workload, entrant: Entrant, setting: Setting, cache: Path) -> WorkerProcess:
    arguments = (entrant.system, entrant.mode, workload.name, entrant.case.name)
    return WorkerProcess(setting.python(entrant.system), arguments, entrant.case.threads, cache)


@contextmanager
def reported(outcome: Outcome, entrant: Entrant, setting: Setting) -> Iterator[None]:
    """A system that cannot do its part is noted with its reason, once, and the others go on."""
    try:
        yield
    except WorkerFailure as failure:
        who = {"workload": entrant.case.name, "system": entrant.system, "mode": entrant.mode}
        note = who | {"reason": str(failure)}
        if note not in outcome.missing:
            outcome.missing.append(note)
            setting.say(f"    {entrant.system} ({entrant.mode}) left out: {failure}")


def disagreements(case: str, unit: str, values: dict[str, dict[int, float]], within: float) -> list[str]:
    """Where values after the same number of units differ; the longest list is the measure of the others."""
    reference = max(values, key=lambda name: len(values[name]), default="")
    found = []
    for name, own in values.items():
        common = sorted(own.keys() & values[reference].keys())
        pairs = ((after, own[after], values[reference][after]) for after in common)
        wrong = next((p for p in pairs if not abs(p[1] - p[2]) <= within * abs(p[2])), None)
        if wrong:
            after, value, expected = wrong
            found.append(f"{case}: after {after} {unit}s {name} has {value:.6g}, {reference} {expected:.6g}")
    return found


def row(entrant: Entrant, values: list[float], first: float | None, peak: int | None) -> Row:
    return Row(
        workload=entrant.case.name,
        system=entrant.system,
        mode=entrant.mode,
        median_s=statistics.median(values) if values else None,
        min_s=min(values) if values else None,
        runs=len(values),
        first_step_s=first,
        peak_bytes=peak,
    )
