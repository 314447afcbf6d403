"""Who asks for a name of another system is told the one here."""

from __future__ import annotations

import re

import numpy as np
import pytest

import saltus as sl
from saltus import nn, optim
from saltus.base.elsewhere import NAMES

OWNERS = {"saltus": sl, "saltus.nn": nn, "Tensor": sl.asarray([1.0]), "saltus.optim": optim, "saltus.random": sl.random,
          "Optimizer": optim.Adam(), "Model": sl.Model(nn.Sequential([nn.Input((2,)), nn.Dense(1)]))}  # fmt: skip
CASES = [(owner, name) for owner in NAMES for name in NAMES[owner]]


@pytest.mark.parametrize(("owner", "name"), CASES)
def test_a_name_of_another_system_leads_to_the_one_here(owner, name):
    assert not hasattr(OWNERS[owner], name)
    with pytest.raises(AttributeError, match=f"{owner} has no '{name}'; (here it is: |not )"):
        getattr(OWNERS[owner], name)


@pytest.mark.parametrize(("owner", "name"), CASES)
def test_every_name_that_is_recommended_is_there(owner, name):
    said = NAMES[owner][name]
    for path in re.findall(r"\b(?:sl|nn|model|optim|optimizer|x)(?:\.[A-Za-z_0-9]+)+", said):
        first, *rest = path.split(".")
        owners = {"optimizer": OWNERS["Optimizer"], "model": OWNERS["Model"], "x": OWNERS["Tensor"]}
        found = {"sl": sl, "nn": nn, "optim": optim, **owners}[first]
        for word in rest:
            found = getattr(found, word)


def test_unknown_names_stay_unknown():
    for owner in OWNERS.values():
        with pytest.raises(AttributeError, match=r"has no 'nothing_of_the_kind'$"):
            _ = owner.nothing_of_the_kind


def test_tensors_still_work_with_numpy_and_copies():
    import copy

    x = sl.asarray([1.0, 2.0])
    assert np.asarray(x).tolist() == [1.0, 2.0]
    assert copy.copy(x).tolist() == [1.0, 2.0]


def test_layers_without_a_list_are_refused_with_the_way_to_write_them():
    with pytest.raises(ValueError, match=r"one list of layers, got 2 arguments") as caught:
        nn.Sequential(nn.Dense(1), nn.Dense(2))
    assert "nn.Sequential([first, second])" in str(caught.value)
