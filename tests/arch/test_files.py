"""Rules for the files themselves: their length, their first lines, and what must never stand in them."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LONGEST = 600
CODE = ("src", "tests", "benchmarks")

# Hosts of package registries, and folders that exist on one machine only.
FORBIDDEN = [
    re.compile("|".join((r"py" r"pi\.org", "python" "hosted", r"registry\.n" "pmjs", r"deb\.deb" r"ian\.org"))),
    re.compile(r"(?<![\w./-])/(?:work|farm|opt|root|home|Users|tmp)/[\w.-]+"),
]


def python_files() -> list[Path]:
    return sorted(path for folder in CODE for path in (ROOT / folder).rglob("*.py"))


def tracked_files() -> list[Path]:
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listing.returncode:
        pytest.skip("not a git repository")
    return [path for name in listing.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def test_no_file_is_longer_than_600_lines():
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in python_files()}
    assert {path.relative_to(ROOT).as_posix(): n for path, n in lengths.items() if n > LONGEST} == {}


def test_every_file_opens_with_its_job():
    bare = [
        path.relative_to(ROOT).as_posix()
        for path in python_files()
        if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert bare == []


def test_no_registry_host_or_machine_path_in_tracked_files():
    found = []
    for path in tracked_files():
        if path == Path(__file__):
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        name = path.relative_to(ROOT).as_posix()
        found += [
            f"{name}:{number}: {line.strip()[:100]}"
            for number, line in enumerate(text.splitlines(), 1)
            if any(pattern.search(line) for pattern in FORBIDDEN)
        ]
    assert found == []


def test_tracked_files_are_small():
    large = {path.relative_to(ROOT).as_posix(): path.stat().st_size for path in tracked_files()}
    assert {name: size for name, size in large.items() if size > 800_000} == {}
