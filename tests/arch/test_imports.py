"""`import saltus` is light, and imports stand where a reader looks for them: at the top of a file."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "saltus"
HEAVY = {
    *("click", "jax", "llvmlite", "matplotlib", "pandas", "polars"),
    *("pyarrow", "rich", "safetensors", "scipy", "torch"),
}

# Files that may import saltus inside a function: what they load is wanted only when that function runs.
LAZY_POINTS = {"__init__.py", "backend/base.py", "cli/"}


def loaded_by(statement: str) -> set[str]:
    """Top-level modules that a fresh interpreter holds after running `statement`."""
    code = f"import sys; {statement}; print(' '.join({{name.partition('.')[0] for name in sys.modules}}))"
    variables = os.environ | {"PYTHONPATH": str(SOURCE.parent)}
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=variables
    )
    return set(result.stdout.split())


@pytest.mark.parametrize("statement", ["import saltus", "import saltus.cli.main"])
def test_importing_loads_nothing_heavy(statement):
    allowed = {"click"} if "cli" in statement else set()
    assert loaded_by(statement) & (HEAVY - allowed) == set()


def late_imports(path: Path) -> list[str]:
    """Imports of saltus itself inside functions of one file, as "line: statement"."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    found = {}
    for node in (inner for function in functions for inner in ast.walk(function)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        else:
            continue
        if any(name.partition(".")[0] == "saltus" for name in names):
            found[node.lineno] = f"{node.lineno}: {ast.unparse(node)}"
    return list(found.values())


def test_saltus_imports_itself_inside_functions_only_at_lazy_points():
    offences = {}
    for path in sorted(SOURCE.rglob("*.py")):
        name = path.relative_to(SOURCE).as_posix()
        folder = name.partition("/")[0] + "/"
        if not LAZY_POINTS & {name, folder} and (lines := late_imports(path)):
            offences[name] = lines
    assert offences == {}
