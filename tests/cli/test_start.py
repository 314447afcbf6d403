"""The command line is there at once: nothing heavy loads before a command needs it."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("polars", "rich", "llvmlite", "pandas", "pyarrow", "scipy", "saltus.nn", "saltus.optim", "saltus.data", "saltus.train")


def loaded_after(code: str) -> set[str]:
    """Which heavy modules a fresh Python has loaded after some code."""
    words = [sys.executable, "-c", f"{code}\nimport sys; print('loaded', *sys.modules)"]
    out = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    names = out.rsplit("loaded ", 1)[1].split()
    return {name for name in HEAVY if name in names}


def test_help_loads_neither_frames_nor_networks():
    assert loaded_after("from saltus.cli.main import main; assert main(['--help']) == 0") == set()
    assert loaded_after("from saltus.cli.main import main; assert main(['fit', '--help']) == 0") == set()


def test_importing_saltus_loads_neither_frames_nor_a_compiler():
    assert loaded_after("import saltus") == set()


def test_the_console_command_and_the_module_are_the_same():
    run = subprocess.run([sys.executable, "-m", "saltus", "--version"], check=True, capture_output=True, text=True)
    assert run.stdout.startswith("saltus ")
