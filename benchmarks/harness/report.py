"""From rows to what people read: the table in the terminal and in the README, and results.json."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from systems import SYSTEMS
from workloads import WORKLOADS
from workloads.base import Case, Workload

from harness.measure import STATES

QUIET = 0.7  # cores that other programs keep busy, below which a machine counts as quiet
BEGIN, END = "<!-- benchmarks: begin -->", "<!-- benchmarks: end -->"


def nothing(machine: dict) -> dict:
    """Results before anything is measured."""
    empty: dict = {"machine": machine, "measured": {}, "versions": {}, "installed_bytes": {}}
    return empty | {"results": [], "missing": [], "disagreements": []}


def load(path: Path) -> dict:
    """The results a file holds; none when there is no such file, or it is not one of ours."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def merged(earlier: dict, now: dict) -> dict:
    """Earlier results with the workloads of this run replaced; those of another machine are dropped."""
    if earlier.get("machine") != now["machine"]:
        return now
    measured = set(now["measured"])
    replaced = {case.name for name in measured for case in WORKLOADS[name].cases()}
    known = {case.name for workload in WORKLOADS.values() for case in workload.cases()}
    kept = known - replaced
    return now | {
        "measured": {k: v for k, v in earlier["measured"].items() if k in WORKLOADS} | now["measured"],
        "versions": earlier["versions"] | now["versions"],
        "installed_bytes": earlier["installed_bytes"] | now["installed_bytes"],
        "results": [row for row in earlier["results"] if row["workload"] in kept] + now["results"],
        "missing": [entry for entry in earlier["missing"] if entry["workload"] in kept] + now["missing"],
        "disagreements": [t for t in earlier["disagreements"] if t.split(": ")[0] in kept]
        + now["disagreements"],
    }


def save(path: Path, results: dict) -> None:
    path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def duration(seconds: float | None) -> str:
    """A time with three digits and the unit that suits it."""
    if seconds is None:
        return "-"
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def size(count: int | None) -> str:
    return "-" if count is None else f"{count / 1e6:.3g} MB"


def compiling(row: dict) -> str:
    """What of a first step was compiling, where it is known."""
    return f" ({duration(row['compile_s'])} compiling)" if row.get("compile_s") else ""


def best(rows: Iterable[dict], key: str) -> dict | None:
    """The row with the smallest value."""
    measured = [row for row in rows if row[key] is not None]
    return min(measured, key=lambda row: row[key]) if measured else None


@dataclass(frozen=True)
class Line:
    """A line of a table: the best row of each system, and how saltus stands to the best of its peers."""

    title: str
    cells: dict[str, str]
    peer: str | None
    ratio: float | None
    in_short: bool


def lines_of(workload: Workload, results: list[dict]) -> list[Line]:
    """The lines of a workload, as far as they were measured."""
    key, show = ("peak_bytes", size) if workload.shows == "memory" else ("median_s", duration)
    states = STATES if workload.shows == "first step" else ("",)
    lines = []
    for case in workload.cases():
        for state in states:
            rows = [r for r in results if r["workload"] == case.name and r["mode"].endswith(state)]
            found = {name: best((r for r in rows if r["system"] == name), key) for name in SYSTEMS}
            peer = best((found[name] for name in workload.against if found[name]), key)
            own = found["saltus"]
            if workload.shows in ("scaling", "share"):
                peer = alone_of(workload, case, results)
            ratio = peer[key] / own[key] if peer and own and own[key] else None
            cells = {name: show(row[key]) + compiling(row) if row else "-" for name, row in found.items()}
            if any(found.values()):
                title = f"{case.name}, {state}" if state else case.name
                lines.append(Line(title, cells, peer and peer["system"], ratio, case.in_short))
    return lines


def alone_of(workload: Workload, case: Case, results: list[dict]) -> dict | None:
    """What a case of scaling is set beside: the first case of its group, for all but that one."""
    first = next(group[0] for group in workload.groups if case in group)
    return best((r for r in results if r["workload"] == first.name), "median_s") if case is not first else None


def mean_ratio(lines: list[Line]) -> float | None:
    """The geometric mean of the ratios, of products only: elsewhere lines are not of one kind."""
    ratios = [line.ratio for line in lines if line.ratio]
    return math.exp(sum(map(math.log, ratios)) / len(ratios)) if ratios else None


def times(ratio: float | None) -> str:
    return f"{ratio:.2f} x" if ratio else "-"


def table(workload: Workload, results: list[dict]) -> str:
    """A workload's part of the report in Markdown."""
    lines = lines_of(workload, results)
    if not lines:
        return ""
    columns = [name for name in SYSTEMS if any(line.cells[name] != "-" for line in lines)]
    compared = any(line.ratio for line in lines)
    header = [
        "",
        *(SYSTEMS[name].label for name in columns),
        *[f"saltus against {best_of(workload)}"] * compared,
    ]
    body = [
        [line.title, *(line.cells[name] for name in columns), *[times(line.ratio)] * compared]
        for line in lines
    ]
    if workload.name == "gemm" and compared:
        body.append(["geometric mean", *[""] * len(columns), times(mean_ratio(lines))])
    return f"**{workload.title}**\n\n{aligned(header, body)}"


DETAILS = {"contention", "memory", "memory_networks", "compile", "compile_networks", "scaling", "input_share"}  # in results.md only


def short(results: dict) -> str:
    """One table of what matters most, for the README."""
    body = []
    for workload in WORKLOADS.values():
        if workload.name in DETAILS:
            continue
        lines = lines_of(workload, results["results"])
        for line in lines:
            if line.in_short and line.cells["saltus"] != "-":
                peer = f"{line.cells[line.peer]} ({SYSTEMS[line.peer].label})" if line.peer else "-"
                body.append([line.title, line.cells["saltus"], peer, times(line.ratio)])
        if workload.name == "gemm" and mean_ratio(lines):
            body.append([f"gemm, geometric mean of {len(lines)}", "", "", times(mean_ratio(lines))])
    return f"{about(results)}\n\n{aligned(['', 'saltus', 'best peer', 'ratio'], body)}"


def about(results: dict) -> str:
    """The machine, the versions and the manner of measuring."""
    machine = results["machine"]
    versions = ", ".join(f"{SYSTEMS[name].label} {version}" for name, version in results["versions"].items())
    cores = f"{machine['cores_used']} of {machine['cores']} cores"
    text = (
        f"{machine['processor']} ({machine['vectors']}), {cores}, {machine['system']}; "
        f"Python {machine['python']}, {versions}. "
        "Each system in a process of its own, in turns with the others, from the same weights to the same "
        "losses; medians, of its fastest mode for each system."
    )
    disturbed = [name for name, how in results["measured"].items() if how.get("load", 0) > QUIET]
    if disturbed:
        many = len(disturbed) > 6
        text += f" Other programs were running beside {'many of these (results.json says which)' if many else ', '.join(disturbed)}."
    return text


def best_of(workload: Workload) -> str:
    """What stands beside saltus, in words."""
    if workload.shows == "scaling":
        return "one thread"
    if workload.shows == "share":
        return "the whole"
    labels = [SYSTEMS[name].label for name in workload.against]
    return "the best peer" if len(labels) > 2 else " or ".join(labels)


def aligned(header: list[str], body: list[list[str]]) -> str:
    """A Markdown table that lines up in a terminal as well: its first column to the left, others right."""
    widths = [max(map(len, column)) for column in zip(header, *body, strict=True)]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines = []
    for first, *others in [header, rule, *body]:
        cells = [first.ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(others, widths[1:], strict=True))]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def installed_table(sizes: dict[str, int | None]) -> str:
    parts = [f"{SYSTEMS[name].label} {size(count)}" for name, count in sizes.items() if count]
    return "Installed with what it requires: " + ", ".join(parts) + "." if parts else ""


def report(results: dict, names: Iterable[str]) -> str:
    """All tables of the named workloads, and what could not be measured or did not agree."""
    parts = [about(results)]
    for name in names:
        if text := table(WORKLOADS[name], results["results"]):
            parts.append(text)
        if name == "import" and (text := installed_table(results["installed_bytes"])):
            parts.append(text)
    if results["missing"]:
        entries = (
            f"- {m['workload']}: {m['system']} ({m['mode']}): {m['reason']}" for m in results["missing"]
        )
        parts.append("Not measured:\n\n" + "\n".join(entries))
    if results["disagreements"]:
        parts.append("RESULTS DIFFER:\n\n" + "\n".join(f"- {text}" for text in results["disagreements"]))
    return "\n\n".join(parts)


def write_between_marks(path: Path, text: str) -> bool:
    """Replaces what stands between the marks of a file; False when it has none."""
    try:
        old = path.read_text(encoding="utf-8")
    except OSError:
        return False
    before, mark, rest = old.partition(BEGIN)
    _, closing, after = rest.partition(END)
    if not mark or not closing:
        return False
    path.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")
    return True
