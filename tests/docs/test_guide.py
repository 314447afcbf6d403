"""Everything the guide shows runs, and says what the guide says it says.

Blocks of a page run in order, in one folder: `python` blocks share their names, lines of `sh` blocks that begin with saltus go to the
command line. A `text` block is what the block before it prints, "..." standing for anything; an error counts as printed, and a block
that fails without such a text fails the test.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import re
import shlex
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from saltus.base.errors import SaltusError
from saltus.cli.main import main

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs" / "guide").glob("[0-9]-*.md"))
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INSTALLS = ("pip ", "git ", "make ")  # what must not happen in a test
LOOSE = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def blocks(page: Path) -> list[tuple[str, str, int]]:
    """Language, text and first line of each block."""
    text = page.read_text()
    return [(m[1], m[2], text[: m.start(2)].count("\n")) for m in BLOCK.finditer(text)]


def run_python(code: str, line: int, page: Path, names: dict[str, Any], expected: bool) -> str:
    """What a block of Python prints; with an error at the end when one is expected."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            exec(compile("\n" * line + code, str(page), "exec"), names)
        except (SaltusError, AttributeError, TypeError) as error:
            if not expected:
                raise
            print(f"{type(error).__name__}: {error}", file=said)
    return said.getvalue()


def run_shell(code: str) -> str:
    """What lines of a shell print: those of saltus run in this process, switches before a line and Python in one of their own."""
    said = ""
    for line in code.splitlines():
        words = shlex.split(line, comments=True)
        if not words or line.startswith(INSTALLS):
            continue
        if words[0] != "saltus":
            command = shlex.join([sys.executable if word == "python" else word for word in words])
            done = subprocess.run(["env", f"PYTHONPATH={ROOT / 'src'}", *shlex.split(command)], capture_output=True, text=True, check=True)
            said += done.stdout + done.stderr
            continue
        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            code_of_exit = main(words[1:])
        said += out.getvalue()
        assert code_of_exit == 0 or "error:" in said, f"{line}: exit code {code_of_exit}\n{said}"
    return said


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_of_the_guide_runs_and_prints_what_it_shows(page, files, monkeypatch):
    module = ModuleType("guide_" + page.stem.replace("-", "_"))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    names = vars(module)
    parts = blocks(page)
    assert parts, "a page without an example"
    for number, (language, code, line) in enumerate(parts):
        following = parts[number + 1] if number + 1 < len(parts) else ("", "", 0)
        wanted = following[1] if following[0] == "text" else None
        if language == "python":
            if code.startswith("# ") and code.split("\n", 1)[0].endswith(".py"):
                (files / code.split("\n", 1)[0][2:]).write_text(code)
            said = run_python(code, line, page, names, wanted is not None)
        elif language == "sh":
            said = run_shell(code)
            assert "error:" not in said or wanted is not None, said
        else:
            assert language == "text", f"{page.name}, line {line}: a block of {language!r}"
            continue
        if wanted is not None:
            assert doctest.OutputChecker().check_output(wanted, said, LOOSE), f"{page.name}, line {line}, printed:\n{said}"


def test_the_example_of_the_readme_runs(files):
    page, names = ROOT / "README.md", {"__name__": "readme"}
    for language, code, line in blocks(page):
        if language == "python":
            run_python(code, line, page, names, expected=False)
    assert len(names["run"]) == 20


@pytest.mark.parametrize("page", [*PAGES, ROOT / "docs" / "guide" / "README.md", ROOT / "README.md"], ids=lambda page: page.stem)
def test_links_lead_to_files(page):
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"
