"""Networks as plain data: saltus builds what they say and holds their weights; and the table of its kernels."""

import sys
from dataclasses import asdict, replace

import kernels
import numpy as np
import pytest
from harness import report
from harness.measure import LEAST_ROUNDS, Entrant, Setting, measure, rounds, row
from systems import OWN, builder, modes, saltus_networks, worker_module
from workloads import SETS, WORKLOADS, networks
from workloads.layers import Dense, Gru, Lstm, MaxPool, Network, walk
from workloads.network_work import NetworkInference, NetworkTraining

from saltus import nn

SMALLER = {
    "cnn": (networks.CNN, (12, 12, 1)),
    "resnet": (networks.RESNET, (8, 8, 3)),
    "separable": (networks.SEPARABLE, (16, 16, 3)),
    "generator": (networks.GENERATOR, (100,)),
    "convolutional_autoencoder": (networks.CONVOLUTIONAL_AUTOENCODER, (8, 8, 1)),
    "dense_autoencoder": (networks.DENSE_AUTOENCODER, (20,)),
    "lstm": (Network((3, 5), (Lstm(8), Dense(4))), (3, 5)),
    "gru": (Network((3, 5), (Gru(8), Dense(4))), (3, 5)),
    "transformer": (Network((4, 8), networks.TRANSFORMER.layers[:1]), (4, 8)),
}


def smaller(name):
    network, shape = SMALLER[name]
    return replace(network, input=shape)


@pytest.mark.parametrize("name", SMALLER)
def test_saltus_builds_the_network_that_the_data_describe(name):
    network = smaller(name)
    x = np.ones((2, *network.input), np.float32)
    weights = network.weights()
    made = saltus_networks.model(network, weights, x)
    assert sum(value.size for own in weights.values() for value in own.values()) == made.count
    given = sorted(float(np.abs(value).sum()) for own in weights.values() for value in own.values())
    held = [np.asarray(value) for value in leaves(made.snapshot()["params"])]
    assert sorted(float(np.abs(value).sum()) for value in held) == pytest.approx(given)
    built = saltus_networks.sequence(network.layers, "", network.input)
    assert nn.describe(built, nn.Spec(x.shape)).output.shape == (2, *network.output)


def leaves(tree):
    return [tree] if not isinstance(tree, dict) else [leaf for part in tree.values() for leaf in leaves(part)]


def test_padding_is_even_where_a_stride_follows():
    """One weight in the corner of the kernel: the first output pixel sees padding, so all of it is bias."""
    network = Network((4, 4, 1), (networks.Conv(1, 3, 2),))
    kernel = np.zeros((3, 3, 1, 1), np.float32)
    kernel[0, 0] = 1
    weights = {"0": {"kernel": kernel, "bias": np.zeros(1, np.float32)}}
    x = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1)
    made = saltus_networks.model(network, weights, x).predict_on_batch(x)
    assert made[0, :, :, 0].tolist() == [[0, 0], [0, 5]]


def test_weights_and_batches_are_the_same_in_every_process():
    work = NetworkTraining(networks.SMALL, 4)
    first, second = work.weights(), work.weights()
    assert first.keys() == {"0", "4"}
    assert all(np.array_equal(first[path][name], second[path][name]) for path in first for name in first[path])
    x, y = work.data()
    assert x.shape == (work.batches, 4, 8, 8, 1) and y.shape == (work.batches, 4)
    assert np.array_equal(work.data()[0], x)
    assert np.array_equal(NetworkTraining(networks.SMALL, 4, "input").data()[1].shape, x.shape)


def test_paths_name_layers_within_residuals():
    paths = [path for path, layer, shape in walk(networks.RESNET.layers, networks.RESNET.input) if layer.forms(shape)]
    assert paths[:3] == ["0", "1", "3.inside.0"] and "5.shortcut.0" in paths
    assert len(set(paths)) == len(paths)


def test_images_are_measured_in_both_orders_and_sequences_in_one():
    assert set(modes("torch", NetworkTraining(networks.CNN, 8))) == {"channels_last", "NCHW"}
    assert set(modes("torch", NetworkTraining(networks.GENERATOR, 8))) == {"channels_last", "NCHW"}
    assert len(modes("torch", NetworkTraining(networks.LSTM, 8))) == 1
    assert worker_module("torch.compile", NetworkInference(networks.CNN)) == "systems.torch_networks"
    assert builder(NetworkInference(networks.CNN)) == "network_inference"


def test_rounds_end_with_the_time_of_their_workload_but_never_before_the_least(tmp_path):
    setting = Setting({}, frozenset(), False, tmp_path, print)
    workload = replace(WORKLOADS["cnn"], rounds=7)
    assert len(list(rounds(replace(workload, seconds=0.0), setting))) == LEAST_ROUNDS
    assert len(list(rounds(replace(workload, seconds=float("inf")), setting))) == 7


def test_a_network_is_measured_in_a_process_of_its_own(tmp_path):
    setting = Setting({OWN: sys.executable}, frozenset({"saltus"}), True, tmp_path, lambda text: None)
    outcome = measure(replace(WORKLOADS["cnn_one"], seconds=0.0), setting)
    assert outcome.missing == [] and outcome.disagreements == []
    (found,) = outcome.rows
    assert (found.system, found.runs) == ("saltus", LEAST_ROUNDS)
    assert found.first_step_s is None  # it got ready beside another process


def test_two_threads_stand_beside_one():
    alone, both = WORKLOADS["scaling"].groups[0]
    rows = [asdict(row(Entrant(case, "saltus", "any"), [s], None, None)) for case, s in ((alone, 3e-3), (both, 2e-3))]
    lines = report.lines_of(WORKLOADS["scaling"], rows)
    assert [line.ratio for line in lines] == [None, pytest.approx(1.5)]
    assert "saltus against one thread" in report.table(WORKLOADS["scaling"], rows)


def test_the_sets_hold_every_workload_once():
    parts = [name for part, names in SETS.items() if part != "all" for name in names]
    assert sorted(parts) == sorted(SETS["all"]) == sorted(WORKLOADS)


def test_kernels_of_a_step_are_listed_with_their_share_of_the_peak():
    found = kernels.kernels_of(NetworkTraining(networks.SMALL, 16))
    assert all(kernel.seconds > 0 for kernel in found)
    products = [kernel for kernel in found if "matmul" in kernel.label]
    assert sum(kernel.flops for kernel in products) >= 3 * 2 * 16 * 256 * 10 * 0.9  # forward and both gradients of the Dense layer
    text = kernels.table(found, peak=1e11, least=0.0)
    assert all(kernel.label in text for kernel in found)
    whole = sum(kernel.total for kernel in found)
    assert f"{whole * 1e6:.1f}" in text.splitlines()[-1]


def test_kernels_within_a_loop_count_once_a_step():
    network = Network((5, 4), (Lstm(8), Dense(3)))
    found = kernels.kernels_of(NetworkTraining(network, 2))
    assert {1, 5} <= {kernel.calls for kernel in found}


def test_pooling_leaves_out_a_last_odd_row():
    assert MaxPool().out((11, 8, 3)) == (5, 4, 3)
