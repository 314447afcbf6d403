"""Networks are ordinary scikit-learn estimators: they pass its own checks and work in its tools."""

import os
import pickle
import pickletools
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import saltus as sl
from saltus import nn
from saltus.base.errors import ArgumentError, DataError
from saltus.train.estimators import NetworkAutoencoder, NetworkClassifier, NetworkRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning", "ignore::sklearn.exceptions.SkipTestWarning")

SOURCE = Path(sl.__file__).parents[1]
RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 4))
Y = np.array(["low", "middle", "high"])[np.digitize(X[:, 0] + 0.5 * X[:, 1], [-0.5, 0.5])]


@pytest.mark.slow
@parametrize_with_checks([NetworkClassifier(), NetworkRegressor(), NetworkAutoencoder()])
def test_scikit_learns_own_checks_pass(estimator, check):
    check(estimator)


def test_it_is_reached_as_sl_sklearn():
    assert sl.sklearn.NetworkClassifier is NetworkClassifier


def test_without_scikit_learn_the_command_that_installs_it_is_said():
    code = "import sys; sys.modules['sklearn'] = None; import saltus; saltus.sklearn"
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(SOURCE)})
    assert made.returncode == 1 and 'pip install "saltus[sklearn]"' in made.stderr


def test_a_classifier_learns_and_gives_probabilities_of_named_classes():
    model = NetworkClassifier((16,), learning_rate_init=0.02, random_state=1).fit(X, Y)
    assert model.score(X, Y) > 0.9
    assert model.classes_.tolist() == ["high", "low", "middle"]
    chances = model.predict_proba(X)
    assert chances.shape == (120, 3)
    np.testing.assert_allclose(chances.sum(axis=1), 1)
    np.testing.assert_allclose(np.exp(model.predict_log_proba(X)), chances)
    assert [c.shape for c in model.coefs_] == [(4, 16), (16, 3)]
    assert [b.shape for b in model.intercepts_] == [(16,), (3,)]
    assert len(model.loss_curve_) == model.n_iter_ and model.loss_curve_[-1] < model.loss_curve_[0]


@pytest.mark.parametrize("labels", [np.array([3, 7]), np.array([True, False]), np.array(["a", "b"], object)], ids=["int", "bool", "object"])
def test_classes_may_have_names_of_any_type(labels):
    y = labels[(X[:, 0] > 0).astype(int)]
    found = NetworkClassifier((8,), learning_rate_init=0.05, random_state=0).fit(X, y).predict(X)
    assert (found == y).mean() > 0.9
    assert set(found.tolist()) <= set(labels.tolist())


def test_the_same_seed_gives_the_same_network_and_another_one_does_not():
    one, two, other = (NetworkClassifier((8,), max_iter=5, random_state=s).fit(X, Y).predict_proba(X) for s in (3, 3, 4))
    np.testing.assert_array_equal(one, two)
    assert np.abs(one - other).max() > 1e-3


def test_float32_stays_float32():
    model = NetworkRegressor((8,), max_iter=5).fit(X.astype("float32"), X[:, 0])
    assert model.model_.dtype == "float32"
    assert model.predict(X).dtype == np.float32
    assert NetworkRegressor((8,), max_iter=5).fit(X, X[:, 0]).predict(X).dtype == np.float64


@pytest.mark.parametrize("kind", [NetworkClassifier, NetworkRegressor])
def test_sparse_samples_give_what_dense_ones_give(kind):
    estimator, y = kind((8,), max_iter=30, random_state=0), Y if kind is NetworkClassifier else X[:, 0]
    kept = np.where(np.abs(X) > 0.7, X, 0)
    dense = clone(estimator).fit(kept, y)
    thin = clone(estimator).fit(sparse.csr_array(kept), y)
    np.testing.assert_allclose(thin.predict(sparse.csc_array(kept)) == dense.predict(kept), True)


def test_a_sparse_matrix_that_does_not_fit_into_memory_is_refused():
    with pytest.raises(DataError, match="GB as an ordinary array"):
        NetworkRegressor().fit(sparse.eye_array(4_000_000, format="csr"), np.arange(4_000_000))


def test_weights_count_as_repeated_samples():
    counts = RNG.integers(0, 4, size=len(X))
    weighted = NetworkRegressor((8,), max_iter=30, batch_size="full", random_state=0).fit(X, X[:, 0], sample_weight=counts)
    rows = np.repeat(np.arange(len(X)), counts)
    repeated = NetworkRegressor((8,), max_iter=30, batch_size="full", random_state=0).fit(X[rows], X[rows, 0])
    np.testing.assert_allclose(weighted.predict(X), repeated.predict(X), rtol=1e-6, atol=1e-8)


def test_a_rare_class_counts_more_with_balanced_weights():
    rare = (X[:, 0] + 0.5 * RNG.normal(size=len(X)) > 1.4).astype(int)
    own = NetworkClassifier((), learning_rate_init=0.05, random_state=0)
    plain, balanced = (clone(own).set_params(class_weight=w).fit(X, rare).predict(X).sum() for w in (None, "balanced"))
    assert balanced > plain


def test_samples_can_have_several_labels():
    several = (X[:, :3] > 0).astype(int)
    model = NetworkClassifier((16,), learning_rate_init=0.03, random_state=0).fit(X, several)
    assert model.predict(X).shape == (120, 3)
    assert (model.predict(X) == several).mean() > 0.9


def test_a_regressor_predicts_several_outputs_in_their_own_units():
    y = np.stack([1e4 + 1e3 * X[:, 0], 1e-3 * X[:, 1]], axis=1)
    model = NetworkRegressor((16,), learning_rate_init=0.02, random_state=0).fit(X, y)
    assert model.predict(X).shape == (120, 2)
    assert model.score(X, y) > 0.95


def test_partial_fit_learns_from_parts_that_lack_classes():
    model = NetworkClassifier((16,), learning_rate_init=0.02, random_state=0)
    for _ in range(60):
        for name in ("low", "middle", "high"):
            rows = np.flatnonzero(np.equal(Y, name))
            model.partial_fit(X[rows], Y[rows], classes=["low", "middle", "high"])
    assert model.n_iter_ == 180
    assert model.score(X, Y) > 0.6
    with pytest.raises(DataError, match="began with"):
        model.partial_fit(X[:2], ["low", "huge"])
    with pytest.raises(ArgumentError, match="one epoch"):
        NetworkClassifier(early_stopping=True).partial_fit(X, Y)


def test_a_warm_start_goes_on():
    model = NetworkRegressor((8,), max_iter=10, warm_start=True, random_state=0, tol=0)
    first = model.fit(X, X[:, 0]).loss_
    assert model.fit(X, X[:, 0]).n_iter_ == 20
    assert model.loss_ < first and len(model.loss_curve_) == 20


def test_early_stopping_holds_samples_out_and_stops():
    model = NetworkClassifier((32,), early_stopping=True, n_iter_no_change=3, learning_rate_init=0.05, max_iter=500, random_state=0)
    model.fit(X, Y)
    assert model.n_iter_ < 500
    assert len(model.validation_scores_) == model.n_iter_


def test_it_works_in_pipelines_searches_and_cross_validation():
    line = make_pipeline(StandardScaler(), NetworkClassifier((8,), max_iter=40, random_state=0))
    search = GridSearchCV(line, {"networkclassifier__learning_rate_init": [1e-5, 0.03]}, cv=3).fit(X, Y)
    assert search.best_params_ == {"networkclassifier__learning_rate_init": 0.03}
    assert cross_val_score(NetworkRegressor((8,), learning_rate_init=0.03, random_state=0), X, X[:, 0], cv=3).min() > 0.7


@pytest.mark.parametrize("solver", ["sgd", "rmsprop", sl.optim.AdamW(0.02)])
def test_any_optimizer_can_train(solver):
    model = NetworkClassifier((8,), solver=solver, learning_rate_init=0.05, random_state=0).fit(X, Y)
    assert model.score(X, Y) > 0.7


def test_a_network_of_ones_own_can_be_given():
    network = nn.Sequential([nn.Dense(8, activation="gelu"), nn.LayerNormalization(), nn.Dense(3)])
    model = clone(NetworkClassifier(network=network, learning_rate_init=0.03, random_state=0)).fit(X, Y)
    assert model.score(X, Y) > 0.8


@pytest.mark.parametrize("keep", ["pickle", "joblib"])
def test_a_stored_estimator_predicts_and_trains_on_as_before(tmp_path, keep):
    model = NetworkClassifier((8,), max_iter=10, warm_start=True, random_state=0, tol=0).fit(X, Y)
    if keep == "pickle":
        again = pickle.loads(pickle.dumps(model))
    else:
        joblib.dump(model, tmp_path / "model.joblib")
        again = joblib.load(tmp_path / "model.joblib")
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    np.testing.assert_array_equal(again.fit(X, Y).predict_proba(X), model.fit(X, Y).predict_proba(X))


def test_a_pickle_holds_the_models_file_and_no_code_of_saltus():
    stored = pickle.dumps(NetworkClassifier((8,), max_iter=2).fit(X, Y))
    named = {arg for op, arg, _ in pickletools.genops(stored) if isinstance(arg, str) and arg.startswith("saltus")}
    assert named == {"saltus.train.estimators.supervised"}
    assert b'"__metadata__"' in stored


def test_an_autoencoder_makes_samples_again_from_their_codes():
    data = np.stack([X[:, 0], X[:, 0] * 2, X[:, 1], X[:, 0] - X[:, 1]], axis=1)
    model = NetworkAutoencoder((16,), "tanh", n_components=2, learning_rate_init=0.02, max_iter=400, tol=0, random_state=0).fit(data)
    codes = model.transform(data)
    assert codes.shape == (120, 2)
    again = model.inverse_transform(codes)
    assert np.mean((again - data) ** 2) < 0.05 * data.var()
    np.testing.assert_allclose(model.score(data), -np.mean((again - data) ** 2), rtol=1e-5)
    assert model.get_feature_names_out().tolist() == ["networkautoencoder0", "networkautoencoder1"]


def test_a_denoising_autoencoder_takes_noise_away():
    clean = np.outer(np.sin(np.linspace(0, 12, 200)), [1.0, -1.0, 0.5, 2.0, 1.0, -2.0])
    noisy = clean + 0.3 * RNG.normal(size=clean.shape)
    model = NetworkAutoencoder((16,), n_components=1, noise=0.3, learning_rate_init=0.01, max_iter=300, random_state=0).fit(clean)
    cleaned = model.inverse_transform(model.transform(noisy))
    assert np.mean((cleaned - clean) ** 2) < 0.5 * np.mean((noisy - clean) ** 2)


def test_what_cannot_be_is_refused_with_a_fix():
    with pytest.raises(ArgumentError, match="lbfgs"):
        NetworkClassifier(solver="lbfgs").fit(X, Y)
    with pytest.raises(ArgumentError, match="hidden_layer_sizes"):
        NetworkClassifier((0,)).fit(X, Y)
    with pytest.raises(ArgumentError, match="max_iter"):
        NetworkRegressor(max_iter=0).fit(X, X[:, 0])
    with pytest.raises(ArgumentError, match="learning_rate"):
        NetworkRegressor(learning_rate="invscaling").fit(X, X[:, 0])
    with pytest.raises(DataError, match="only one class"):
        NetworkClassifier().fit(X, ["a"] * len(X))
    with pytest.raises(ArgumentError, match="n_components"):
        NetworkAutoencoder(n_components=0).fit(X)
    with pytest.raises(DataError, match="codes have 2 numbers"):
        NetworkAutoencoder(n_components=2, max_iter=1).fit(X).inverse_transform(X)
