"""The benchmark harness: figures reach the report, results that differ are named, runs merge by workload."""

import json
import sys
from dataclasses import asdict, replace

import pytest
from harness import report
from harness.measure import Entrant, Setting, disagreements, measure, row
from harness.process import WorkerFailure, WorkerProcess
from systems import OWN, PEERS, SYSTEMS, modes
from workloads import WORKLOADS

KEYS = {"workload", "system", "mode", "median_s", "min_s", "runs", "first_step_s", "peak_bytes", "compile_s"}


@pytest.fixture
def setting(tmp_path):
    return Setting(
        {OWN: sys.executable, PEERS: sys.executable}, frozenset({"numpy"}), True, tmp_path, lambda text: None
    )


def smallest(name):
    """A workload with its quickest group only: of the products, the smallest on one thread."""
    workload = WORKLOADS[name]
    single = [group for group in workload.groups if group[0].threads == 1] or workload.groups
    return replace(workload, groups=tuple(single[-1:]))


def test_a_measured_system_gives_a_row_with_every_field(setting):
    outcome = measure(smallest("gemm"), setting)
    assert outcome.missing == []
    (found,) = [asdict(result) for result in outcome.rows]
    assert found.keys() == KEYS
    assert found["system"] == "numpy"
    assert found["runs"] == 3
    assert 0 < found["min_s"] <= found["median_s"]
    assert found["first_step_s"] > 0


def test_a_system_that_cannot_start_is_reported_with_its_reason(setting):
    workload = smallest("predict_one")
    broken = replace(workload, groups=((replace(workload.groups[0][0], systems=("numpy",)),),))
    outcome = measure(broken, setting)
    assert outcome.rows == []
    assert outcome.missing[0]["system"] == "numpy"
    assert "prediction" in outcome.missing[0]["reason"]


def test_a_worker_that_does_not_answer_in_time_is_ended(tmp_path):
    case = WORKLOADS["gemm"].cases()[-1]
    with pytest.raises(WorkerFailure, match="no answer"):
        WorkerProcess(sys.executable, ("numpy", "matmul", "gemm", case.name), 1, tmp_path, seconds=0.0)


def test_losses_that_agree_pass_and_others_are_named_with_the_step():
    torch = {1: 2.0, 2: 1.5, 3: 1.2}
    assert disagreements("mlp", "step", {"torch": torch, "jax": {1: 2.001, 3: 1.2}}, within=1e-3) == []
    (text,) = disagreements("mlp", "step", {"torch": torch, "saltus": {1: 2.0, 2: 1.51, 3: 9.0}}, within=1e-3)
    assert text.startswith("mlp: after 2 steps saltus has 1.51")
    assert disagreements("mlp", "step", {"torch": torch, "saltus": {1: float("nan")}}, within=1e-3) != []


@pytest.mark.parametrize("workload", WORKLOADS.values(), ids=WORKLOADS)
def test_every_case_has_a_name_of_its_own_and_modes_for_each_of_its_systems(workload):
    everywhere = [case.name for other in WORKLOADS.values() for case in other.cases()]
    for case in workload.cases():
        assert everywhere.count(case.name) == 1
        assert all(modes(system, case.work) for system in case.systems)
        assert set(case.systems) <= set(SYSTEMS)


def results(**median_s):
    """Results of the tiny step in which each named system needed these seconds."""
    case = WORKLOADS["tiny"].cases()[0]
    rows = [asdict(row(Entrant(case, system, "any"), [s], 1.0, 10**6)) for system, s in median_s.items()]
    machine = {"processor": "P", "vectors": "V", "cores": 2, "cores_used": 2, "system": "S", "python": "3"}
    about = {"measured": {"tiny": {}}, "results": rows, "versions": dict.fromkeys(median_s, "1")}
    return report.nothing(machine) | about


def test_the_table_compares_saltus_with_the_fastest_peer():
    now = results(saltus=1e-3, torch=9e-3, jax=4e-3)
    (line,) = report.lines_of(WORKLOADS["tiny"], now["results"])
    assert line.ratio == pytest.approx(4)
    assert "4.00 x" in report.report(now, ["tiny"])
    assert "1 ms" in report.report(now, ["tiny"])
    (short,) = [line for line in report.short(now).splitlines() if line.startswith("| tiny")]
    assert [cell.strip() for cell in short.split("|")[1:-1]] == ["tiny", "1 ms", "4 ms (JAX)", "4.00 x"]


def test_of_several_modes_the_fastest_stands_in_the_table():
    now = results(saltus=1e-3, torch=9e-3)
    now["results"].append(now["results"][1] | {"mode": "better", "median_s": 5e-3})
    (line,) = report.lines_of(WORKLOADS["tiny"], now["results"])
    assert line.ratio == pytest.approx(5)


def test_a_part_of_the_workloads_replaces_only_its_own_rows(tmp_path):
    earlier = results(saltus=1e-3)
    other = earlier["results"][0] | {"workload": WORKLOADS["mlp"].cases()[0].name}
    earlier["results"].append(other)
    merged = report.merged(earlier, results(saltus=2e-3))
    assert other in merged["results"]
    assert [r["median_s"] for r in merged["results"] if r["workload"] == "tiny"] == [2e-3]
    report.save(tmp_path / "results.json", merged)
    assert report.load(tmp_path / "results.json") == json.loads(json.dumps(merged))


def test_figures_of_another_machine_are_dropped():
    elsewhere = results(saltus=1e-3)
    elsewhere["machine"]["processor"] = "another"
    now = results(saltus=2e-3)
    assert report.merged(elsewhere, now) == now


def test_the_table_is_written_between_its_marks_and_nothing_else_changes(tmp_path):
    page = tmp_path / "README.md"
    page.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    assert report.write_between_marks(page, "new")
    assert page.read_text() == f"before\n{report.BEGIN}\nnew\n{report.END}\nafter\n"
    page.write_text("no marks")
    assert not report.write_between_marks(page, "new")
    assert page.read_text() == "no marks"


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, "-"), (2.5, "2.5 s"), (0.25, "250 ms"), (2.5e-5, "25 us"), (3e-8, "30 ns")]
)
def test_times_are_shown_in_the_unit_that_suits(seconds, text):
    assert report.duration(seconds) == text
