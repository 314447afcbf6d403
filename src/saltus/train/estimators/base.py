"""What all scikit-learn estimators share: parameters to a network and an optimizer, the training, files. Above
`model`.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from saltus import nn, optim
from saltus.base import tree
from saltus.base.errors import ArgumentError, DataError
from saltus.optim import Optimizer
from saltus.train import store
from saltus.train.callbacks import Callback, EarlyStopping, ReduceLROnPlateau
from saltus.train.model import Model
from saltus.train.probing import free_memory

Array = np.ndarray[Any, Any]

ACTIVATIONS = {"identity": "linear", "logistic": "sigmoid"}  # scikit-learn's words -> ours
PREDICT_ROWS = 1024  # sparse rows are made dense in pieces of so many


class NetworkEstimator(BaseEstimator):  # type: ignore[misc]
    """Base of the estimators; a kind of task says what its outputs and targets are.

    Attributes set by `fit`: model_ (a `saltus.Model`), n_iter_, loss_, loss_curve_, best_loss_, validation_scores_ (losses on
    the held-out part, with early_stopping), n_outputs_, n_layers_, out_activation_.
    """

    out_activation_: str
    n_outputs_: int
    model_: Model
    n_iter_: int

    def __init__(
        self, hidden_layer_sizes: Any = (100,), activation: str = "relu", *, solver: Any = "adam", alpha: float = 0.0001,
        batch_size: int | str = "auto", learning_rate: str = "constant", learning_rate_init: Any = 0.001, max_iter: int = 200,
        shuffle: bool = True, random_state: Any = None, tol: float = 1e-4, verbose: bool | int = False, warm_start: bool = False,
        momentum: float = 0.9, nesterovs_momentum: bool = True, early_stopping: bool = False, validation_fraction: float = 0.1,
        beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-8, n_iter_no_change: int = 10, dropout: float = 0.0,
        network: Any = None, callbacks: Any = (),
    ) -> None:  # fmt: skip
        self.hidden_layer_sizes, self.activation, self.solver, self.alpha = hidden_layer_sizes, activation, solver, alpha
        self.batch_size, self.learning_rate, self.learning_rate_init = batch_size, learning_rate, learning_rate_init
        self.max_iter, self.shuffle, self.random_state, self.tol, self.verbose = max_iter, shuffle, random_state, tol, verbose
        self.warm_start, self.momentum, self.nesterovs_momentum = warm_start, momentum, nesterovs_momentum
        self.early_stopping, self.validation_fraction, self.n_iter_no_change = early_stopping, validation_fraction, n_iter_no_change
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon
        self.dropout, self.network, self.callbacks = dropout, network, callbacks

    # -- from parameters to a model ------------------------------------------------------------------------------------

    @property
    def _title(self) -> str:
        return type(self).__name__

    def _widths(self) -> list[int]:
        given = self.hidden_layer_sizes
        widths = list(given) if np.iterable(given) else [given]
        if any(isinstance(w, bool) or not isinstance(w, (int, np.integer)) or w < 1 for w in widths):
            raise ArgumentError(f"{self._title}: hidden_layer_sizes is {given!r}, expected widths from 1 on", fix="use e.g. (64, 32)")
        return [int(w) for w in widths]

    def _dense(self, units: int, activation: str | None, penalty: float) -> nn.Layer:
        return nn.Dense(units, activation=activation, kernel_regularizer=nn.regularizers.L2(penalty) if penalty else None)

    def _hidden(self, widths: list[int], penalty: float) -> list[nn.Layer]:
        """Hidden layers, each followed by its dropout."""
        name = ACTIVATIONS.get(self.activation, self.activation)
        made: list[nn.Layer] = []
        for width in widths:
            made.append(self._dense(width, name, penalty))
            made += [nn.Dropout(self.dropout)] if self.dropout else []
        return made

    def _network_of(self, penalty: float) -> nn.Layer:
        """The network, whose outputs are logits or values."""
        if self.network is not None:
            return self.network  # type: ignore[no-any-return]
        return nn.Sequential([*self._hidden(self._widths(), penalty), self._dense(self.n_outputs_, None, penalty)])

    def _loss(self) -> Any:
        raise NotImplementedError

    def _optimizer(self) -> Optimizer:
        rate = self.learning_rate_init
        if isinstance(self.solver, Optimizer):
            return self.solver
        if self.solver == "lbfgs":
            raise ArgumentError(f"{self._title}: the solver lbfgs is not there", fix='use "adam", or "sgd" with batch_size="full"')
        if self.solver == "adam":
            return optim.Adam(rate, beta_1=self.beta_1, beta_2=self.beta_2, epsilon=self.epsilon)
        if self.solver == "sgd":
            return optim.SGD(rate, momentum=self.momentum, nesterov=self.nesterovs_momentum and self.momentum > 0)
        made = optim.get(self.solver)
        return type(made)(learning_rate=rate)

    def _rows_of_a_batch(self, rows: int) -> int:
        if self.batch_size == "auto":
            return min(200, rows)
        return rows if self.batch_size == "full" else min(int(self.batch_size), rows)

    def _begin(self, X: Array, weight: Array | None) -> None:
        """A new model, with a seed of its own."""
        seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        total = len(X) if weight is None else float(weight.sum())
        batches = math.ceil(len(X) / self._rows_of_a_batch(len(X)))
        # as in scikit-learn: alpha / 2 times the squares, shared by the samples of a batch
        penalty = 0.5 * self.alpha * batches / total if total else 0.0
        self.model_ = Model(self._network_of(penalty), loss=self._loss(), optimizer=self._optimizer(), seed=seed, dtype=X.dtype.name)
        self.n_iter_, self.loss_curve_, self.validation_scores_, self.best_loss_ = 0, [], None, math.inf

    # -- data ----------------------------------------------------------------------------------------------------------

    def _checked(self, X: Any, *, reset: bool) -> Any:
        """Samples as a checked float array (or sparse matrix)."""
        found = validate_data(self, X, reset=reset, accept_sparse="csr", dtype=(np.float64, np.float32), order="C")
        return self._in_type(found, reset)

    def _in_type(self, X: Any, reset: bool) -> Any:
        if reset or not hasattr(self, "model_"):
            return X
        return X.astype(self.model_.dtype, copy=False)

    def _made_dense(self, X: Any) -> Array:
        """Sparse samples as an ordinary array, where there is room for it."""
        if not hasattr(X, "toarray"):
            return np.ascontiguousarray(X)
        needed = X.shape[0] * X.shape[1] * X.dtype.itemsize
        if needed > free_memory() // 2:
            raise DataError(
                f"{self._title}: the sparse matrix {X.shape[0]:,} x {X.shape[1]:,} takes {needed / 2**30:.1f} GB as an ordinary array",
                fix="lower the number of columns, for instance by sklearn.decomposition.TruncatedSVD, or train by pieces with partial_fit",
            )
        return np.ascontiguousarray(X.toarray())

    def _weights(self, sample_weight: Any, X: Any) -> Array | None:
        return None if sample_weight is None else _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)

    # -- training ------------------------------------------------------------------------------------------------------

    def _stops(self) -> tuple[list[Callback], Any]:
        """Callbacks that end the training by the rules of scikit-learn, and the validation."""
        if self.learning_rate not in ("constant", "adaptive"):
            raise ArgumentError(
                f"{self._title}: learning_rate is {self.learning_rate!r}",
                fix='use "constant" or "adaptive"; a schedule, such as sl.optim.CosineDecay, can be given as learning_rate_init',
            )
        monitor = "val_loss" if self.early_stopping else "loss"
        calls: list[Callback] = [
            EarlyStopping(monitor, min_delta=self.tol, patience=self.n_iter_no_change, restore_best_weights=self.early_stopping)
        ]
        if self.learning_rate == "adaptive":
            calls.append(ReduceLROnPlateau(monitor, factor=0.2, patience=2, min_delta=self.tol, min_lr=1e-6))
        return [*calls, *self.callbacks], self.validation_fraction if self.early_stopping else None

    def _train(self, X: Array, y: Array, weight: Array | None) -> None:
        """Train the model for up to max_iter further epochs."""
        calls, validation = self._stops()
        run = self.model_.fit(
            X, y, epochs=self.n_iter_ + self.max_iter, initial_epoch=self.n_iter_, batch_size=self._rows_of_a_batch(len(X)),
            validation=validation, shuffle=self.shuffle, sample_weight=weight, callbacks=calls, verbose=2 if self.verbose else 0,
        )  # fmt: skip
        self._record(run["loss"], run["val_loss"] if validation else [])
        if not run.stopped and self.max_iter > 1 and math.isfinite(self.tol):
            said = f"{self._title}: after {self.max_iter} epochs the loss still falls; raise max_iter"
            warnings.warn(said, ConvergenceWarning, stacklevel=4)

    def _train_once(self, X: Array, y: Array, weight: Array | None) -> None:
        """One epoch, batch by batch: a part of the data may well have one class only."""
        rows, size = np.arange(len(X)), self._rows_of_a_batch(len(X))
        if self.shuffle:
            rows = np.random.default_rng([self.model_.seed, self.n_iter_]).permutation(rows)
        losses, counts = [], []
        for begin in range(0, len(X), size):
            part = rows[begin : begin + size]
            own = None if weight is None else weight[part]
            counts.append(len(part) if own is None else float(own.sum()))
            if counts[-1]:
                losses.append(self.model_.train_on_batch(X[part], y[part], sample_weight=own)["loss"])
        counts = [count for count in counts if count]
        self._record([float(np.average(losses, weights=counts))] if losses else [], [])

    def _record(self, losses: list[float], held: list[float]) -> None:
        self.n_iter_ += len(losses)
        self.loss_curve_ = [*self.loss_curve_, *losses]
        if self.loss_curve_:
            self.loss_, self.best_loss_ = self.loss_curve_[-1], min(self.loss_curve_)
        if held:
            self.validation_scores_ = [*(self.validation_scores_ or []), *held]

    def _fit(self, X: Array, y: Array, weight: Array | None, *, fresh: bool) -> Any:
        if isinstance(self.max_iter, bool) or not isinstance(self.max_iter, (int, np.integer)) or self.max_iter < 1:
            raise ArgumentError(f"{self._title}: max_iter is {self.max_iter!r}, expected a whole number from 1 on")
        if fresh:
            self._begin(X, weight)
        self._train(X, y, weight)
        return self

    def _fit_once(self, X: Array, y: Array, weight: Array | None, *, fresh: bool) -> Any:
        if self.early_stopping:
            raise ArgumentError(f"{self._title}: partial_fit cannot stop early: it is one epoch", fix="early_stopping=False")
        if fresh:
            self._begin(X, weight)
        self._train_once(X, y, weight)
        return self

    # -- using ---------------------------------------------------------------------------------------------------------

    def _outputs(self, X: Any) -> Array:
        """What the network says of samples."""
        check_is_fitted(self, "model_")
        X = self._checked(X, reset=False)
        if not hasattr(X, "toarray"):
            return np.asarray(self.model_.predict(X))
        pieces = [X[k : k + PREDICT_ROWS].toarray() for k in range(0, X.shape[0], PREDICT_ROWS)]
        return np.concatenate([self.model_.predict(piece) for piece in pieces])

    def _parameters(self, kind: str) -> list[Array]:
        check_is_fitted(self, "model_")
        found = {tree.format_path(path): value for path, value in tree.paths(self.model_.params)}
        names = [p.path for p in self.model_._need().task.description.parameters]  # in the order of the layers
        return [np.asarray(found[name]) for name in names if name.rpartition("/")[2] == kind]

    @property
    def coefs_(self) -> list[Array]:
        """Kernel of each layer, (inputs, units)."""
        return self._parameters("kernel")

    @property
    def intercepts_(self) -> list[Array]:
        """Bias of each layer, (units,)."""
        return self._parameters("bias")

    @property
    def n_layers_(self) -> int:
        """Layers, the input counted as one."""
        return len(self.coefs_) + 1

    # -- keeping -------------------------------------------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        """Attributes; the model as the bytes of its file, so that a pickle holds numbers and names, but no code."""
        state = dict(super().__getstate__())
        if "model_" in state:
            state["model_"] = store.packed(state["model_"])
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        if isinstance(state.get("model_"), bytes):
            state["model_"] = store.unpacked(state["model_"], Model)
        super().__setstate__(state)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
