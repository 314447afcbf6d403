"""Networks as scikit-learn classifiers and regressors. Above `estimators.base`."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target, unique_labels
from sklearn.utils.validation import check_is_fitted, validate_data

from saltus import nn
from saltus.base.errors import DataError
from saltus.train.estimators.base import NetworkEstimator

Array = np.ndarray[Any, Any]


class NetworkClassifier(ClassifierMixin, NetworkEstimator):  # type: ignore[misc]
    """A network that tells classes apart, with scikit-learn's interface.

    The computation is done in the type of X (float64 or float32; the latter is about twice as fast).

    Args:
        hidden_layer_sizes: widths of the hidden layers.
        activation: of the hidden layers: identity, logistic, tanh, relu, or any of `sl.nn.activations`.
        solver: "adam", "sgd", the name of any optimizer, or an optimizer, which keeps its own rate.
        alpha: strength of the L2 penalty.
        batch_size: rows of a step; "auto" is min(200, rows), "full" all.
        learning_rate: "constant", or "adaptive" (a fifth when two epochs in a row bring less than tol).
        learning_rate_init: the rate, or a schedule such as sl.optim.CosineDecay.
        max_iter: epochs at most.
        shuffle: another order in each epoch.
        random_state: seed of weights, order and dropout; None draws one.
        tol: smaller improvements do not count.
        verbose: print a line for every epoch.
        warm_start: `fit` goes on from where the last one ended.
        momentum, nesterovs_momentum: of "sgd".
        early_stopping: hold out a part of the samples, stop by it, and take the weights that were best on it.
        validation_fraction: that part.
        beta_1, beta_2, epsilon: of "adam".
        n_iter_no_change: epochs without improvement after which the training ends.
        dropout: share of hidden units left out in training.
        network: a network of one's own in place of hidden_layer_sizes; its last layer gives one logit a class.
        callbacks: see `sl.train.Callback`.
        class_weight: {class: weight}, or "balanced".

    Attributes:
        classes_: labels, in the order of `predict_proba`.
        model_: the `saltus.Model`, which can be saved.
        coefs_, intercepts_, n_iter_, loss_curve_, loss_, best_loss_, validation_scores_: as in scikit-learn; the last are losses.

    Example:
        >>> import numpy as np, saltus as sl
        >>> X = np.array([[0.0], [1.0], [2.0], [3.0]] * 8)
        >>> y = np.array(["low", "low", "high", "high"] * 8)
        >>> model = NetworkClassifier((8,), learning_rate_init=0.1, random_state=0).fit(X, y)
        >>> model.predict([[0.2], [2.8]]).tolist()
        ['low', 'high']
    """

    def __init__(
        self, hidden_layer_sizes: Any = (100,), activation: str = "relu", *, solver: Any = "adam", alpha: float = 0.0001,
        batch_size: int | str = "auto", learning_rate: str = "constant", learning_rate_init: Any = 0.001, max_iter: int = 200,
        shuffle: bool = True, random_state: Any = None, tol: float = 1e-4, verbose: bool | int = False, warm_start: bool = False,
        momentum: float = 0.9, nesterovs_momentum: bool = True, early_stopping: bool = False, validation_fraction: float = 0.1,
        beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-8, n_iter_no_change: int = 10, dropout: float = 0.0,
        network: Any = None, callbacks: Any = (), class_weight: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(
            hidden_layer_sizes, activation, solver=solver, alpha=alpha, batch_size=batch_size, learning_rate=learning_rate,
            learning_rate_init=learning_rate_init, max_iter=max_iter, shuffle=shuffle, random_state=random_state, tol=tol,
            verbose=verbose, warm_start=warm_start, momentum=momentum, nesterovs_momentum=nesterovs_momentum,
            early_stopping=early_stopping, validation_fraction=validation_fraction, beta_1=beta_1, beta_2=beta_2, epsilon=epsilon,
            n_iter_no_change=n_iter_no_change, dropout=dropout, network=network, callbacks=callbacks,
        )  # fmt: skip
        self.class_weight = class_weight

    def _loss(self) -> Any:
        if self._several:
            return nn.losses.BinaryCrossentropy(from_logits=True, reduction="mean")
        return nn.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="mean")

    def _read(self, X: Any, y: Any, sample_weight: Any, *, classes: Any, fresh: bool) -> tuple[Array, Array, Array | None]:
        """Checked samples, class numbers (or 0 and 1 for several labels), weights."""
        X, y = validate_data(
            self, X, y, reset=fresh, accept_sparse="csr", dtype=(np.float64, np.float32), order="C", multi_output=True
        )  # fmt: skip
        X = self._made_dense(self._in_type(X, fresh))
        y = y.toarray() if hasattr(y, "toarray") else np.asarray(y)
        check_classification_targets(y)
        several = type_of_target(y, input_name="y") == "multilabel-indicator"
        if not several and y.ndim == 2:
            y = validate_data(self, X="no_validation", y=y) if y.shape[1] > 1 else _flat(y)
        weight = self._weights(sample_weight, X)
        known = unique_labels(y) if classes is None else unique_labels(classes)
        if several:
            known = np.arange(y.shape[1])
        if fresh:
            self.classes_, self._several, self.n_outputs_ = known, several, len(known)
            self.out_activation_ = "logistic" if several else "softmax"
        elif not np.array_equal(known, self.classes_) and (classes is not None or not np.isin(known, self.classes_).all()):
            raise DataError(
                f"{self._title}: y holds the classes {known.tolist()}, but the training began with {self.classes_.tolist()}",
                fix="name all classes at the first partial_fit: partial_fit(X, y, classes=[...])",
            )
        if self.class_weight is not None:
            own = compute_sample_weight(self.class_weight, y)
            weight = own if weight is None else weight * own
        if several:
            return X, np.ascontiguousarray(y, X.dtype), weight
        codes = np.searchsorted(self.classes_, y)
        if classes is None and fresh:
            counted = codes if weight is None else codes[weight > 0]
            if weight is not None and not len(counted):
                raise DataError(f"{self._title}: sample_weight is 0 everywhere", fix="give at least one sample a weight")
            if len(np.unique(counted)) < 2:
                raise DataError(
                    f"{self._title}: there is only one class, {self.classes_[counted[0]]!r}, among the samples that count: "
                    "nothing can be told apart",
                    fix="check y and sample_weight",
                )
        return X, codes.astype(np.int64), weight

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> NetworkClassifier:
        """Train.

        Args:
            X: samples (N, features), also sparse.
            y: labels (N,) of any type, or 0 and 1 (N, labels) where a sample can have several.
            sample_weight: (N,).
        """
        fresh = not (self.warm_start and hasattr(self, "model_"))
        return self._fit(*self._read(X, y, sample_weight, classes=None, fresh=fresh), fresh=fresh)  # type: ignore[no-any-return]

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> NetworkClassifier:
        """Train one epoch on these samples, after whatever came before; callbacks are not told.

        Args:
            X, y, sample_weight: as for `fit`; they may lack classes.
            classes: all labels there will be; needed at the first call.

        Raises:
            ArgumentError: early_stopping is on.
        """
        fresh = not hasattr(self, "model_")
        return self._fit_once(*self._read(X, y, sample_weight, classes=classes, fresh=fresh), fresh=fresh)  # type: ignore[no-any-return]

    def predict_proba(self, X: Any) -> Array:
        """Probability of each class, (N, classes); of each label where a sample can have several."""
        logits = self._outputs(X)
        if self._several:
            return 1.0 / (1.0 + np.exp(-np.clip(logits, -500, 500)))  # type: ignore[no-any-return]
        shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
        return shifted / shifted.sum(axis=1, keepdims=True)  # type: ignore[no-any-return]

    def predict_log_proba(self, X: Any) -> Array:
        """log of `predict_proba`."""
        return np.log(np.maximum(self.predict_proba(X), np.finfo(np.float64).tiny))

    def predict(self, X: Any) -> Array:
        """The most probable label (N,), or 0 and 1 (N, labels)."""
        check_is_fitted(self, "model_")
        chances = self.predict_proba(X)
        return (chances > 0.5).astype(np.int64) if self._several else self.classes_[chances.argmax(axis=1)]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class NetworkRegressor(RegressorMixin, NetworkEstimator):  # type: ignore[misc]
    """A network that predicts numbers, with scikit-learn's interface.

    Targets are brought to mean 0 and standard deviation 1 for the training, and predictions back; give loss functions of
    counts and the like scale_target=False.

    Args:
        hidden_layer_sizes, activation, solver, alpha, batch_size, learning_rate, learning_rate_init, max_iter, shuffle,
            random_state, tol, verbose, warm_start, momentum, nesterovs_momentum, early_stopping, validation_fraction, beta_1,
            beta_2, epsilon, n_iter_no_change, dropout, network, callbacks: as for `NetworkClassifier`.
        loss: "squared_error", or any loss of `sl.nn.losses` for numbers.
        scale_target: whether targets are scaled.

    Attributes:
        model_, coefs_, intercepts_, n_iter_, loss_curve_, loss_, best_loss_, validation_scores_: as for `NetworkClassifier`;
            losses are those of scaled targets.

    Example:
        >>> import numpy as np
        >>> X = np.linspace(-1, 1, 64)[:, None]
        >>> model = NetworkRegressor((16,), learning_rate_init=0.02, random_state=0).fit(X, 100 * X[:, 0] ** 2)
        >>> bool(model.score(X, 100 * X[:, 0] ** 2) > 0.95)
        True
    """

    def __init__(
        self, hidden_layer_sizes: Any = (100,), activation: str = "relu", *, loss: Any = "squared_error", solver: Any = "adam",
        alpha: float = 0.0001, batch_size: int | str = "auto", learning_rate: str = "constant", learning_rate_init: Any = 0.001,
        max_iter: int = 200, shuffle: bool = True, random_state: Any = None, tol: float = 1e-4, verbose: bool | int = False,
        warm_start: bool = False, momentum: float = 0.9, nesterovs_momentum: bool = True, early_stopping: bool = False,
        validation_fraction: float = 0.1, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-8,
        n_iter_no_change: int = 10, dropout: float = 0.0, network: Any = None, callbacks: Any = (), scale_target: bool = True,
    ) -> None:  # fmt: skip
        super().__init__(
            hidden_layer_sizes, activation, solver=solver, alpha=alpha, batch_size=batch_size, learning_rate=learning_rate,
            learning_rate_init=learning_rate_init, max_iter=max_iter, shuffle=shuffle, random_state=random_state, tol=tol,
            verbose=verbose, warm_start=warm_start, momentum=momentum, nesterovs_momentum=nesterovs_momentum,
            early_stopping=early_stopping, validation_fraction=validation_fraction, beta_1=beta_1, beta_2=beta_2, epsilon=epsilon,
            n_iter_no_change=n_iter_no_change, dropout=dropout, network=network, callbacks=callbacks,
        )  # fmt: skip
        self.loss, self.scale_target = loss, scale_target

    def _loss(self) -> Any:
        return nn.losses.get(self.loss).replace(reduction="mean")

    def _read(self, X: Any, y: Any, sample_weight: Any, *, fresh: bool) -> tuple[Array, Array, Array | None]:
        """Checked samples, scaled targets (N, outputs), weights."""
        X, y = validate_data(
            self, X, y, reset=fresh, accept_sparse="csr", dtype=(np.float64, np.float32), order="C", multi_output=True, y_numeric=True
        )
        X = self._made_dense(self._in_type(X, fresh))
        weight = self._weights(sample_weight, X)
        y = np.asarray(_flat(y) if y.ndim == 2 and y.shape[1] == 1 else y, np.float64)
        several = y.ndim == 2
        y = y if several else y[:, None]
        if fresh:
            self._several, self.n_outputs_, self.out_activation_ = several, y.shape[1], "identity"
            mean, spread = np.zeros(y.shape[1]), np.ones(y.shape[1])
            if self.scale_target:
                mean = np.average(y, axis=0, weights=weight)
                spread = np.sqrt(np.average((y - mean) ** 2, axis=0, weights=weight))
            self.target_mean_, self.target_scale_ = mean, np.where(spread > 0, spread, 1.0)
        elif y.shape[1] != self.n_outputs_:
            raise DataError(f"{self._title}: y has {y.shape[1]} columns, but the training began with {self.n_outputs_}")
        return X, np.ascontiguousarray((y - self.target_mean_) / self.target_scale_, X.dtype), weight

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> NetworkRegressor:
        """Train.

        Args:
            X: samples (N, features), also sparse.
            y: targets (N,) or (N, outputs).
            sample_weight: (N,).
        """
        fresh = not (self.warm_start and hasattr(self, "model_"))
        return self._fit(*self._read(X, y, sample_weight, fresh=fresh), fresh=fresh)  # type: ignore[no-any-return]

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> NetworkRegressor:
        """Train one epoch on these samples, after whatever came before; the first call fixes the scale of the targets.

        Args:
            X, y, sample_weight: as for `fit`.

        Raises:
            ArgumentError: early_stopping is on.
        """
        fresh = not hasattr(self, "model_")
        return self._fit_once(*self._read(X, y, sample_weight, fresh=fresh), fresh=fresh)  # type: ignore[no-any-return]

    def predict(self, X: Any) -> Array:
        """Predicted values (N,) or (N, outputs)."""
        made = self._outputs(X)
        if made.ndim != 2 or made.shape[1] != self.n_outputs_:
            made = made.reshape(len(made), -1)
        found = made * self.target_scale_.astype(made.dtype) + self.target_mean_.astype(made.dtype)
        return found if self._several else found[:, 0]  # type: ignore[no-any-return]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def _flat(y: Array) -> Array:
    """(N, 1) as (N,), with scikit-learn's warning."""
    from sklearn.utils import column_or_1d

    return column_or_1d(y, warn=True)  # type: ignore[no-any-return]
