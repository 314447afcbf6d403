"""Plans that are kept on disk: the same program without planning it again, and never a wrong one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from graphs import random_arrays, recurrent, training_step

import saltus.ops  # noqa: F401  registers the ops
from saltus.backend.base import compile_graph
from saltus.backend.cpu import building, engine, plans
from saltus.backend.cpu import compile as machine
from saltus.base import dtypes as dt
from saltus.ir.node import Node, placeholder
from saltus.ir.spec import OPS


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty store."""
    monkeypatch.setenv("SALTUS_CACHE", str(tmp_path))
    monkeypatch.setattr(engine, "_addresses", {})
    machine.store_folder.cache_clear()
    machine.trim.cache_clear()
    yield tmp_path
    machine.store_folder.cache_clear()
    machine.trim.cache_clear()


def step(batch: int = 33) -> tuple[list[Node], list[Node], tuple[int, ...]]:
    inputs, outputs = training_step(batch)
    return inputs, outputs, tuple(range(12))


def loop() -> tuple[list[Node], list[Node], tuple[int, ...]]:
    inputs, outputs = recurrent(7)
    return inputs, outputs, ()


def results(program: Any, inputs: list[Node]) -> list[bytes]:
    return [a.tobytes() for a in program(random_arrays(inputs))]


def no_planning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "make_plan", lambda *given: pytest.fail("it was planned again"))


@pytest.mark.parametrize("graph", [step, loop])
def test_a_program_that_was_planned_before_is_read_and_gives_the_same_bits(
    graph: Any, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plans, "LEAST", 1)
    inputs, outputs, donate = graph()
    first = compile_graph(inputs, outputs, donate=donate, backend="native")
    assert len(list(store.glob("*.plan"))) == 1
    no_planning(monkeypatch)
    inputs, outputs, donate = graph()
    again = compile_graph(inputs, outputs, donate=donate, backend="native")
    assert results(again, inputs) == results(first, inputs)
    assert again.explain(timed=False) == first.explain(timed=False)
    assert again.plan.aliases == first.plan.aliases


def names(*graphs: Any) -> list[str | None]:
    return [plans.name_of(*graph) for graph in graphs]


def test_the_name_follows_from_the_graph_and_what_is_donated(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "LEAST", 1)
    same = names(step(), step())
    assert same[0] == same[1]
    inputs, outputs, donate = step()
    others = [
        (inputs, outputs, donate[:-1]), step(34), loop(), (inputs, [*outputs[:-1], outputs[-1] * 1.5], donate),
        (inputs, [*outputs[:-1], outputs[-1] * -1.5], donate), (inputs, outputs[::-1], donate), ([*inputs[1:], inputs[0]], outputs, donate),
    ]  # fmt: skip
    assert len({same[0], *names(*others)}) == 1 + len(others)


@pytest.mark.parametrize("damage", [lambda data: data[:-1] + b"x", lambda data: b"", lambda data: data[:40]])
def test_a_damaged_plan_is_made_again(damage: Any, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "LEAST", 1)
    expected = results(compile_graph(*step()[:2], backend="native"), step()[0])
    (stored,) = store.glob("*.plan")
    whole = stored.read_bytes()
    stored.write_bytes(damage(whole))
    assert results(compile_graph(*step()[:2], backend="native"), step()[0]) == expected
    assert stored.read_bytes() == whole


def test_a_plan_of_another_form_is_made_again(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "LEAST", 1)
    inputs, outputs, _ = step()
    name = plans.name_of(inputs, outputs, ())
    assert name is not None
    for text in (b"[]", b"{}", b"no JSON", b'{"steps": [[1]], "arena": 0, "scratch": 0, "loops": 0, "aliases": [], "groups": []}'):
        machine.write_entry(name, text)
        assert plans.read(name, inputs, outputs) is None
        assert len(results(compile_graph(inputs, outputs, backend="native"), inputs)) == len(outputs)


def test_a_plan_whose_machine_code_is_gone_is_made_again(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "LEAST", 1)
    expected = results(compile_graph(*step()[:2], backend="native"), step()[0])
    next(store.glob("*.o")).unlink()
    monkeypatch.setattr(engine, "_addresses", {})
    assert results(compile_graph(*step()[:2], backend="native"), step()[0]) == expected


def test_small_programs_and_host_calls_are_not_kept(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x = placeholder((4, 4), dt.float64)
    compile_graph([x], [x * 2.0], backend="native")
    monkeypatch.setattr(plans, "LEAST", 1)
    compile_graph([x], [OPS["inv"](x) * 2.0], backend="native")
    assert not list(store.glob("*.plan"))


def test_the_store_does_not_grow_without_bounds(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "LIMIT", 1000)
    for number in range(20):
        machine.write_entry(f"{number}.o", bytes(60))
    machine.trim()
    assert 0 < sum(f.stat().st_size for f in store.iterdir()) <= 1000


def test_a_program_of_a_kept_plan_can_be_timed(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "LEAST", 1)
    compile_graph(*step()[:2], backend="native")
    no_planning(monkeypatch)
    times = compile_graph(*step()[:2], backend="native").profile(seconds=0)
    assert np.isfinite(times).all()
