"""An autoencoder as a scikit-learn transformer: samples to short codes and back. Above `estimators.base`."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_array, check_is_fitted

from saltus import nn
from saltus.base.errors import ArgumentError, DataError
from saltus.train.estimators.base import NetworkEstimator
from saltus.train.model import Model

Array = np.ndarray[Any, Any]


class NetworkAutoencoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, NetworkEstimator):  # type: ignore[misc]
    """A network that squeezes samples into a few numbers and makes them again from these; bring columns to one scale before.

    Args:
        hidden_layer_sizes: widths of the layers before the code; those after it are the same in reverse.
        activation: of these layers.
        n_components: numbers of the code.
        noise: standard deviation of normal noise on the inputs in training, which are to be made without it (a denoising
            autoencoder); 0 for none.
        loss: what the difference costs, as for `NetworkRegressor`.
        solver, alpha, batch_size, learning_rate, learning_rate_init, max_iter, shuffle, random_state, tol, verbose, warm_start,
            momentum, nesterovs_momentum, early_stopping, validation_fraction, beta_1, beta_2, epsilon, n_iter_no_change,
            dropout, callbacks: as for `NetworkClassifier`.

    Attributes:
        model_: the whole network; `encoder_` and `decoder_` are its halves, as models of their own.
        n_iter_, loss_curve_, loss_, best_loss_, validation_scores_: as for `NetworkClassifier`.

    Example:
        >>> import numpy as np
        >>> line = np.linspace(-1, 1, 50)[:, None] * np.array([[1.0, -2.0, 0.5]])
        >>> model = NetworkAutoencoder((), "identity", n_components=1, learning_rate_init=0.1, random_state=0).fit(line)
        >>> model.transform(line).shape, bool(np.abs(model.inverse_transform(model.transform(line)) - line).max() < 0.1)
        ((50, 1), True)
    """

    def __init__(
        self, hidden_layer_sizes: Any = (64,), activation: str = "relu", *, n_components: int = 8, noise: float = 0.0,
        loss: Any = "squared_error", solver: Any = "adam", alpha: float = 0.0001, batch_size: int | str = "auto",
        learning_rate: str = "constant", learning_rate_init: Any = 0.001, max_iter: int = 200, shuffle: bool = True,
        random_state: Any = None, tol: float = 1e-4, verbose: bool | int = False, warm_start: bool = False, momentum: float = 0.9,
        nesterovs_momentum: bool = True, early_stopping: bool = False, validation_fraction: float = 0.1, beta_1: float = 0.9,
        beta_2: float = 0.999, epsilon: float = 1e-8, n_iter_no_change: int = 10, dropout: float = 0.0, callbacks: Any = (),
    ) -> None:  # fmt: skip
        super().__init__(
            hidden_layer_sizes, activation, solver=solver, alpha=alpha, batch_size=batch_size, learning_rate=learning_rate,
            learning_rate_init=learning_rate_init, max_iter=max_iter, shuffle=shuffle, random_state=random_state, tol=tol,
            verbose=verbose, warm_start=warm_start, momentum=momentum, nesterovs_momentum=nesterovs_momentum,
            early_stopping=early_stopping, validation_fraction=validation_fraction, beta_1=beta_1, beta_2=beta_2, epsilon=epsilon,
            n_iter_no_change=n_iter_no_change, dropout=dropout, callbacks=callbacks,
        )  # fmt: skip
        self.n_components, self.noise, self.loss = n_components, noise, loss

    def _loss(self) -> Any:
        return nn.losses.get(self.loss).replace(reduction="mean")

    def _network_of(self, penalty: float) -> nn.Layer:
        components = self.n_components
        if isinstance(components, bool) or not isinstance(components, (int, np.integer)) or components < 1:
            raise ArgumentError(f"{self._title}: n_components is {components!r}, expected a whole number from 1 on")
        widths = self._widths()
        encoder = [*self._hidden(widths, penalty), self._dense(int(components), None, penalty)]
        decoder = [*self._hidden(widths[::-1], penalty), self._dense(self.n_outputs_, None, penalty)]
        noise = [nn.GaussianNoise(self.noise)] if self.noise else []
        return nn.Sequential([nn.Sequential([*noise, *encoder]), nn.Sequential(decoder)])

    def _read(self, X: Any, *, fresh: bool) -> Array:
        X = self._made_dense(self._checked(X, reset=fresh))
        if fresh:
            self.n_outputs_, self.out_activation_ = X.shape[1], "identity"
        return X

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> NetworkAutoencoder:
        """Train to make X again from its codes.

        Args:
            X: samples (N, features), also sparse.
            y: not used.
            sample_weight: (N,).
        """
        fresh = not (self.warm_start and hasattr(self, "model_"))
        X = self._read(X, fresh=fresh)
        return self._fit(X, X, self._weights(sample_weight, X), fresh=fresh)  # type: ignore[no-any-return]

    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> NetworkAutoencoder:
        """Train one epoch on these samples, after whatever came before.

        Args:
            X, y, sample_weight: as for `fit`.
        """
        fresh = not hasattr(self, "model_")
        X = self._read(X, fresh=fresh)
        return self._fit_once(X, X, self._weights(sample_weight, X), fresh=fresh)  # type: ignore[no-any-return]

    # -- the halves ----------------------------------------------------------------------------------------------------

    def _half(self, place: int, width: int) -> Model:
        """One of the two halves with its weights, as a model of its own."""
        check_is_fitted(self, "model_")
        whole = self.model_
        half = Model(whole.network.layers[place], dtype=whole.dtype)  # type: ignore[attr-defined]
        half.build(nn.Spec((1, width), whole.dtype))
        own = whole.snapshot()
        name = list(own["params"])[place]
        half.restore({**half.snapshot(), "params": own["params"][name]})
        return half

    @property
    def encoder_(self) -> Model:
        """The first half, from samples to codes."""
        return self._half(0, self.n_features_in_)

    @property
    def decoder_(self) -> Model:
        """The second half, from codes to samples."""
        return self._half(1, self.n_components)

    @property
    def _n_features_out(self) -> int:
        return int(self.n_components)

    def transform(self, X: Any) -> Array:
        """The code of each sample, (N, n_components)."""
        check_is_fitted(self, "model_")
        return np.asarray(self.encoder_.predict(self._made_dense(self._checked(X, reset=False))))

    def inverse_transform(self, X: Any) -> Array:
        """Samples (N, features) from codes (N, n_components)."""
        check_is_fitted(self, "model_")
        X = check_array(X, dtype=(np.float64, np.float32), order="C")
        if X.shape[1] != self.n_components:
            raise DataError(f"{self._title}: codes have {self.n_components} numbers, got {X.shape[1]}", fix="pass what transform gave")
        return np.asarray(self.decoder_.predict(X.astype(self.model_.dtype, copy=False)))

    def score(self, X: Any, y: Any = None) -> float:
        """Minus the mean squared difference between samples and what is made of them: higher is better."""
        found = self._outputs(X)
        return -float(np.mean((self._made_dense(self._checked(X, reset=False)) - found) ** 2))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
