"""`make bench`: measures saltus beside its peers; writes results.json, results.md and the README's table.

    python benchmarks/run.py --peers PYTHON --tensorflow PYTHON [--workloads mlp,tiny] [--systems saltus,torch] [--quick]

Workloads are named one by one, or by their sets: dense (tables), networks (images, sequences), all.

Ends with 1 when saltus could not do a workload or when systems do not reach the same losses.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from harness import machine, report
from harness.measure import Setting, cache_folder, measure
from systems import OWN, PEERS, SYSTEMS, TENSORFLOW
from workloads import SETS, WORKLOADS

HERE = Path(__file__).parent


def names(text: str, known: dict, kind: str) -> list[str]:
    """The chosen names, with sets of workloads written out; a name that is not known ends the program."""
    sets = SETS if known is WORKLOADS else {"all": list(known)}
    parts = [part.strip() for part in text.split(",") if part.strip()]
    chosen = list(dict.fromkeys(name for part in parts for name in sets.get(part, [part])))
    if unknown := [name for name in chosen if name not in known]:
        raise SystemExit(f"no {kind} named {', '.join(unknown)}; there are: {', '.join(known)}")
    return chosen


def say(text: str) -> None:
    """Progress, kept apart from the report."""
    print(text, file=sys.stderr, flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Measure saltus beside PyTorch, torch.compile, TensorFlow, JAX and NumPy."
    )
    parser.add_argument("--peers", default=sys.executable, help="interpreter that has torch and jax")
    parser.add_argument("--tensorflow", default=sys.executable, help="interpreter that has tensorflow")
    parser.add_argument("--workloads", default="all", help="some of " + ",".join([*SETS, *WORKLOADS]))
    parser.add_argument("--systems", default="all", help="some of " + ",".join(SYSTEMS))
    parser.add_argument("--quick", action="store_true", help="three rounds at most: a rough picture")
    parser.add_argument("--output", type=Path, default=HERE / "results.json", help="file of the results")
    parser.add_argument(
        "--readme", type=Path, default=HERE.parent / "README.md", help="file whose tables are replaced"
    )
    return parser.parse_args()


def main() -> int:
    chosen = arguments()
    workloads = names(chosen.workloads, WORKLOADS, "workload")
    systems = names(chosen.systems, SYSTEMS, "system")
    interpreters = {OWN: sys.executable, PEERS: chosen.peers, TENSORFLOW: chosen.tensorflow}
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that workers and folders are cleared away
    begun, done, earlier = time.perf_counter(), [], report.load(chosen.output)
    now = report.nothing(machine.describe())
    load = machine.busy_cores()
    if load > report.QUIET:
        say(f"other programs use {load} cores: the figures will say little; better on a quiet machine")
    for name in workloads:
        say(f"{name}: {WORKLOADS[name].title}")
        with cache_folder() as cache:
            outcome = measure(
                WORKLOADS[name], Setting(interpreters, frozenset(systems), chosen.quick, cache, say)
            )
        now["measured"][name] = {
            "at": datetime.now(UTC).isoformat(timespec="minutes"),
            "load": load,
        }
        now["versions"] |= outcome.versions
        now["results"] += [asdict(row) for row in outcome.rows]
        now["missing"] += outcome.missing
        now["disagreements"] += outcome.disagreements
        if name == "import":
            now["installed_bytes"] = installed({"saltus", "torch", "tensorflow", "jax"} & set(systems), interpreters)
        done.append(name)
        report.save(
            chosen.output, report.merged(earlier, now)
        )  # after each: an interrupted run keeps what it has
    print(report.report(now, done))
    if not chosen.quick and set(systems) == set(SYSTEMS):
        results = report.load(chosen.output)
        everything = report.report(results, [name for name in WORKLOADS if name in results["measured"]])
        chosen.output.with_suffix(".md").write_text(f"# Measured speed\n\n{everything}\n", encoding="utf-8")
        report.write_between_marks(chosen.readme, report.short(results))
    say(f"{chosen.output.name} written after {time.perf_counter() - begun:.0f} s")
    own_failures = [entry for entry in now["missing"] if entry["system"] == "saltus"]
    return 1 if own_failures or now["disagreements"] else 0


def installed(systems: set[str], interpreters: dict[str, str]) -> dict[str, int | None]:
    """Bytes on disk of each system with all it requires."""
    found = ((name, SYSTEMS[name]) for name in sorted(systems))
    return {
        name: machine.installed_bytes(interpreters[known.environment], known.package) for name, known in found
    }


if __name__ == "__main__":
    sys.exit(main())
