"""The summary of a network: operations and memory worked out by hand, freezing in words, JSON, and a drawing that is well formed."""

import itertools
import json
import re
from xml.etree import ElementTree

import numpy as np
import pytest

import saltus as sl
from saltus import nn
from saltus.base.errors import ArgumentError, ShapeError

SVG = "{http://www.w3.org/2000/svg}"


def rows(network, *inputs, **options):
    return {r.path: r for r in nn.summary(network, *inputs, **options).rows}


def branched():
    x = nn.Input((8, 8, 3), name="picture")
    y = nn.Conv2D(4, 3, padding="same", name="first")(x)
    z = nn.Conv2D(4, 1, name="second")(nn.Dropout(0.5, name="drop")(y))
    return nn.Network(x, nn.Dense(2, name="last")(nn.Flatten(name="flat")(nn.Add(name="sum")([y, z]))))


def test_operations_of_products_and_convolutions_are_exact():
    found = rows(nn.Sequential([nn.Conv2D(8, 3, strides=2, use_bias=False), nn.Conv2D(6, 3, groups=2, use_bias=False)]), (9, 9, 4))
    assert found["conv2d"].flops == 2 * (4 * 4 * 8) * (3 * 3 * 4)
    assert found["conv2d_1"].flops == 2 * (2 * 2 * 6) * (3 * 3 * 4)
    assert rows(nn.Dense(7, use_bias=False), (5,))["Dense"].flops == 2 * 5 * 7
    assert rows(nn.Dense(7, use_bias=False), (3, 5))["Dense"].flops == 3 * 2 * 5 * 7
    assert rows(nn.Dense(7), (5,))["Dense"].flops == 2 * 5 * 7 + 7
    assert rows(nn.DepthwiseConv2D(3, padding="same", use_bias=False), (8, 8, 5))["DepthwiseConv2D"].flops == 2 * 8 * 8 * 5 * 9
    assert rows(nn.Conv2DTranspose(3, 2, strides=2, use_bias=False), (4, 4, 5))["Conv2DTranspose"].flops == 2 * 4 * 4 * 5 * (2 * 2 * 3)


def test_operations_do_not_depend_on_the_batch_of_the_given_input():
    network = nn.Sequential([nn.Dense(8, activation="relu"), nn.Dense(3)])
    inputs = (np.zeros((64, 5), "float32"), nn.Spec((1, 5)), (5,))
    assert len({nn.summary(network, x).flops for x in inputs}) == 1


def test_memory_is_that_of_results_at_the_batch_size():
    found = nn.summary(branched(), batch_size=10)
    sizes = {r.path: r.nbytes for r in found.rows}
    assert sizes == {"first": 8 * 8 * 4 * 4, "drop": 0, "second": 8 * 8 * 4 * 4, "sum": 8 * 8 * 4 * 4, "flat": 0, "last": 8}
    assert found.activation_bytes == 10 * (8 * 8 * 3 * 4 + sum(sizes.values()))
    assert found.parameter_bytes == 4 * found.parameters
    assert nn.summary(branched(), batch_size=1).activation_bytes * 10 == found.activation_bytes


def test_sources_are_the_layers_whose_results_are_taken():
    found = nn.summary(branched())
    number = {r.path: i for i, r in enumerate(found.rows)}
    assert {r.path: r.sources for r in found.rows} == {
        "first": (-1,), "drop": (number["first"],), "second": (number["drop"],), "sum": (number["first"], number["second"]),
        "flat": (number["sum"],), "last": (number["flat"],),
    }  # fmt: skip
    assert found.outputs == (number["last"],)


def test_equal_layers_do_not_get_mixed_up():
    """Both begin with the same zeros as bias; they are no way between the two."""
    found = nn.summary(nn.Parallel([nn.Dense(3), nn.Dense(3)], merge="none"), (4,))
    assert [r.sources for r in found.rows] == [(-1,), (-1,)]


def test_what_a_container_computes_itself_is_a_row():
    found = rows(nn.Residual(nn.Dense(4, use_bias=False), name="block"), (4,))
    assert found["Residual"].flops == 4 and found["layers"].flops == 32
    assert found["Residual"].sources == (-1, 0)


def test_a_layer_called_twice_counts_its_parameters_once_and_its_operations_twice():
    x = nn.Input((4,))
    shared = nn.Dense(4, use_bias=False)
    found = nn.summary(nn.Network(x, shared(shared(x))))
    assert [r.parameters for r in found.rows] == [16, 0]
    assert found.parameters == 16 and found.flops == 2 * 32


def test_loops_count_every_step():
    cell = nn.Dense(6, use_bias=False)
    flops = nn.summary(nn.SimpleRNN(6, use_bias=False), (10, 3)).flops
    assert flops >= 10 * (nn.summary(cell, (3,)).flops + nn.summary(cell, (6,)).flops)
    assert nn.summary(nn.SimpleRNN(6, use_bias=False), (20, 3)).flops == pytest.approx(2 * flops, rel=0.05)


@pytest.mark.parametrize("make", [lambda: nn.Sequential([nn.Dense(4, trainable=False), nn.BatchNormalization(trainable=False)]),
                                  lambda: nn.Sequential([nn.Dense(4), nn.BatchNormalization()], trainable=False)])  # fmt: skip
def test_a_frozen_layer_says_that_its_averages_are_frozen_too(make):
    found = nn.summary(make(), (3,))
    assert [r.note for r in found.rows] == ["frozen", "frozen, its averages too"]
    assert (found.trained, found.frozen, found.moving) == (0, 16 + 8, 8)
    assert "frozen, its averages too" in str(found)
    assert "24 (0 trained, 24 frozen), and 8 moving averages" in str(found)
    assert str(nn.summary(nn.Sequential([nn.BatchNormalization()]), (3,))).count("frozen") == 1


def test_the_summary_of_a_model_tells_the_optimizer_too():
    model = sl.Model(nn.Sequential([nn.Input((4,)), nn.Dense(3)]), loss="mse", optimizer="adam")
    model.build(nn.Spec((1, 4)))
    found = model.summary(batch_size=8)
    assert found.batch_size == 8 and found.state_bytes > 3 * found.parameter_bytes
    assert "with the optimizer" in str(found)


def test_json_holds_everything():
    found = nn.summary(branched(), batch_size=2)
    read = json.loads(found.to_json())
    assert read["parameters"] == found.parameters and read["flops"] == found.flops
    assert read["inputs"] == [[None, 8, 8, 3]]
    assert [layer["path"] for layer in read["layers"]] == [r.path for r in found.rows]
    assert read["layers"][0]["output"] == [[None, 8, 8, 4]]
    assert read["layers"][0]["activation_bytes"] == 2 * found.rows[0].nbytes


# -- the drawing ------------------------------------------------------------------------------------------------------


def boxes(root):
    return [
        tuple(float(r.get(k)) for k in ("x", "y", "width", "height")) for r in root.iter(f"{SVG}rect") if "box" in r.get("class")
    ]


def test_the_drawing_is_well_formed_and_needs_nothing_else():
    text = nn.summary(branched()).to_svg("a <small> & odd network")
    root = ElementTree.fromstring(text)
    assert root.tag == f"{SVG}svg" and float(root.get("width")) > 0
    assert root.find(f"{SVG}title").text == "a <small> & odd network"
    assert not re.search(r"(?:href|src|@import)", text)
    assert len(boxes(root)) == 7  # the input and six layers
    assert sum(p.get("class") == "way" for p in root.iter(f"{SVG}path")) == 7
    words = {t.text for t in root.iter(f"{SVG}text")}
    assert {"Conv2D", "Add", "(N, 8, 8, 3)", "112 parameters"} <= words


def test_names_are_escaped():
    root = ElementTree.fromstring(nn.summary(nn.Sequential([nn.Dense(2, name='<b>&"')]), (3,)).to_svg())
    assert any('<b>&"' in t.text for t in root.iter(f"{SVG}title"))


@pytest.mark.parametrize("seed", range(8))
def test_boxes_do_not_overlap_and_no_way_runs_through_one(seed):
    rng = np.random.default_rng(seed)
    x = nn.Input((4,))
    values = [nn.Dense(3)(x)]
    for _ in range(12):
        picked = rng.choice(len(values), size=min(len(values), int(rng.integers(1, 4))), replace=False)
        values.append(nn.Add()([values[i] for i in picked]) if len(picked) > 1 else nn.Dense(3)(values[picked[0]]))
    root = ElementTree.fromstring(nn.summary(nn.Network(x, values)).to_svg())
    placed = boxes(root)
    for (ax, ay, aw, ah), (bx, by, bw, bh) in itertools.combinations(placed, 2):
        assert ax + aw <= bx or bx + bw <= ax or ay + ah <= by or by + bh <= ay
    for way in root.iter(f"{SVG}path"):
        if way.get("class") != "way":
            continue
        for x0, top, bottom in re.findall(r"([\d.]+) ([\d.]+)V([\d.]+)", way.get("d")):  # where it passes a row
            assert not any(bx < float(x0) < bx + bw and by < float(bottom) and float(top) < by + bh for bx, by, bw, bh in placed)
    width, height = (float(root.get(k)) for k in ("width", "height"))
    assert all(min(bx, by) >= 0 and bx + bw <= width and by + bh <= height for bx, by, bw, bh in placed)


def test_nothing_is_computed():
    """A network whose weights would take 400 GB is summarised at once."""
    found = nn.summary(nn.Sequential([nn.Dense(10**5), nn.Dense(10**6)]), (10,))
    assert found.parameters == 11 * 10**5 + (10**5 + 1) * 10**6
    assert "400.0 GB of weights" in str(found)


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: nn.summary(nn.Conv2D(8, 9), (4, 4, 1)), ShapeError, "Conv2D.*kernel is larger"),
        (lambda: nn.summary(nn.Dense(8)), ArgumentError, "nn.summary: sizes are worked out from the first input"),
        (lambda: nn.summary(nn.Dense(8), (4,), batch_size=0), ArgumentError, "batch_size must be a whole number from 1 on"),
        (lambda: nn.summary([nn.Dense(8)], (4,)), ArgumentError, "takes a layer or network, got list"),
    ],
)
def test_wrong_use_is_refused(make, error, words):
    with pytest.raises(error, match=words):
        make()
