"""import: processes from start to end: an interpreter alone, each system's import, and `saltus --help`."""

from workloads.base import Case, Command, Workload

IMPORT = Command(("{python}", "-c", "import {module}"))

WORKLOAD = Workload(
    name="import",
    title="A process from its start to its end, the interpreter's own start included; size installed",
    groups=(
        (
            Case("python alone", Command(("{python}", "-c", "pass")), ("python",), in_short=False),
            Case("import", IMPORT, ("saltus", "torch", "tensorflow", "jax", "numpy")),
            Case("--help", Command(("{saltus}", "--help")), ("saltus",)),
        ),
    ),
    goal="import under 0.25 s, --help under 0.3 s, installed with its dependencies under 0.45 GB",
    against=("torch", "tensorflow", "jax"),
    unit="process",
)
