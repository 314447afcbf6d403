"""Pieces of optimizers: pure (init, update) pairs on trees of Tensors, joined by `chain`; above `record` and
`schedules`.

An update goes in as the gradient and comes out as what is subtracted from the parameters. Everything done to
one parameter is a chain of elementwise operations, and what is the same for all of them (rates, bias
corrections) is a scalar that is computed once, in float64.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from saltus.base import tree
from saltus.tensor.creation import full, full_like, zeros_like
from saltus.tensor.elementwise import abs, clip, maximum, minimum, pow, rsqrt, sign, sqrt
from saltus.tensor.reduction import sum
from saltus.tensor.tensor import Tensor

Tree = Any


class Moment(NamedTuple):
    """Where the training stands.

    Attributes:
        step: updates made so far, an int64 Tensor of shape ().
        rate: the learning rate, a float64 Tensor of shape ().
    """

    step: Tensor
    rate: Tensor


class Transform(NamedTuple):
    """One piece of an optimizer.

    Attributes:
        init: params -> state.
        update: (updates, state, params, moment) -> (updates, state).
    """

    init: Callable[[Tree], Tree]
    update: Callable[[Tree, Tree, Tree, Moment], tuple[Tree, Tree]]


def chain(*pieces: Transform) -> Transform:
    """Pieces one after another; the state is a list of theirs.

    Args:
        pieces: each gets the updates of the one before.

    Example:
        >>> import saltus as sl
        >>> both = chain(clip_by_value(1.0), scale_by_learning_rate())
        >>> moment = Moment(sl.asarray(0), sl.full((), 0.5, dtype="float64"))
        >>> both.update(
        ...     {"w": sl.asarray([4.0])},
        ...     both.init({"w": sl.asarray([0.0])}),
        ...     {"w": sl.asarray([0.0])},
        ...     moment,
        ... )[0]
        {'w': Tensor([0.5], shape=(1,), dtype=float32)}
    """

    def update(updates: Tree, state: Tree, params: Tree, moment: Moment) -> tuple[Tree, Tree]:
        after = []
        for piece, own in zip(pieces, state, strict=True):
            updates, new = piece.update(updates, own, params, moment)
            after.append(new)
        return updates, after

    return Transform(lambda params: [piece.init(params) for piece in pieces], update)


def _none(params: Tree) -> Tree:
    return {}


def zeros_of(params: Tree) -> Tree:
    return tree.map(zeros_like, params)


def _stateless(function: Callable[[Tree, Tree, Moment], Tree]) -> Transform:
    """A piece without state."""
    return Transform(_none, lambda updates, state, params, moment: (function(updates, params, moment), state))


def times(factor: Tensor, value: Tensor) -> Tensor:
    """A float64 scalar times a Tensor, in the Tensor's own type."""
    return factor.astype(value.dtype) * value


def _by(value: Tensor, factor: float | Tensor) -> Tensor:
    """A Tensor times a number, or times a float64 scalar in the Tensor's own type."""
    return times(factor, value) if isinstance(factor, Tensor) else value * factor


def count_of(moment: Moment) -> Tensor:
    """The number of this update, from 1, as float64."""
    return (moment.step + 1).astype("float64")


def corrected(decay: float | Tensor, moment: Moment) -> Tensor:
    """1 - decay^t: the weight that a moving average begun at 0 has gathered."""
    base = decay if isinstance(decay, Tensor) else full((), decay, dtype="float64")
    return 1.0 - pow(base, count_of(moment))


def toward(average: Tree, values: Tree, decay: float | Tensor) -> Tree:
    """average * decay + value * (1 - decay), leaf by leaf."""
    return tree.map(lambda a, v: a + _by(v - a, 1.0 - decay), average, values)


# -- what any optimizer may have before and after its own rule ----------------------------------------------


def clip_by_value(limit: float) -> Transform:
    """Every element within [-limit, limit]."""
    return _stateless(lambda updates, params, moment: tree.map(lambda u: clip(u, -limit, limit), updates))


def _norm_factor(squares: Tensor, limit: float) -> Tensor:
    """What brings a vector with this sum of squares down to a norm of `limit`, and at most 1."""
    return minimum(limit * rsqrt(maximum(squares, 1e-30)), 1.0)


def clip_by_norm(limit: float) -> Transform:
    """Each parameter's update scaled down to an L2 norm of at most `limit`."""

    def one(u: Tensor) -> Tensor:
        return u * _norm_factor(sum(u * u), limit)

    return _stateless(lambda updates, params, moment: tree.map(one, updates))


def clip_by_global_norm(limit: float) -> Transform:
    """All updates scaled down by one factor, to an L2 norm over all of them of at most `limit`.

    Source: Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks", 2013.
    """

    def all_of(updates: Tree, params: Tree, moment: Moment) -> Tree:
        squares = [sum(u * u).astype("float64") for u in tree.leaves(updates)]
        total = squares[0]
        for s in squares[1:]:
            total = total + s
        factor = _norm_factor(total, limit)
        return tree.map(lambda u: times(factor, u), updates)

    return _stateless(all_of)


def add_decayed_weights(
    decay: float, leave_out: tuple[str, ...] = (), meant: Callable[[str, Tensor], bool] | None = None
) -> Transform:  # fmt: skip
    """learning_rate * decay * parameter on top of a finished update: decoupled weight decay.

    Args:
        decay: its strength.
        leave_out: parameters whose path contains one of these texts do not decay.
        meant: of a path and a parameter, whether it decays; None for all.

    Source: Loshchilov and Hutter, "Decoupled weight decay regularization", 2019.
    """

    def add(updates: Tree, params: Tree, moment: Moment) -> Tree:
        pairs = zip(tree.paths(params), tree.leaves(updates), strict=True)
        factor = moment.rate * decay

        def one(path: str, p: Tensor, u: Tensor) -> Tensor:
            stays = any(t in path for t in leave_out) or (meant is not None and not meant(path, p))
            return u if stays else u + times(factor, p)

        return tree.unflatten(params, [one(tree.format_path(path), p, u) for (path, p), u in pairs])

    return _stateless(add)


def scale_by_learning_rate() -> Transform:
    """The update times the learning rate."""
    return _stateless(lambda updates, params, moment: tree.map(lambda u: times(moment.rate, u), updates))


# -- rules --------------------------------------------------------------------------------------------------


def trace(momentum: float | Tensor, *, nesterov: bool = False) -> Transform:
    """Momentum: v = momentum * v + u. With nesterov the update looks one step ahead: momentum * v + u.

    Source: Sutskever, Martens, Dahl and Hinton, "On the importance of initialization and momentum in deep
    learning", 2013.
    """

    def update(updates: Tree, state: Tree, params: Tree, moment: Moment) -> tuple[Tree, Tree]:
        velocity = tree.map(lambda v, u: _by(v, momentum) + u, state, updates)
        return (tree.map(lambda v, u: _by(v, momentum) + u, velocity, updates) if nesterov else velocity), velocity

    return Transform(zeros_of, update)


def scale_by_rms(rho: float, epsilon: float, *, centered: bool = False) -> Transform:
    """u / sqrt(mean square + epsilon), or over the standard deviation when centered.

    Source: Hinton, "Neural networks for machine learning", lecture 6, 2012; Graves, "Generating sequences
    with recurrent neural networks", 2013 (centered).
    """

    def init(params: Tree) -> Tree:
        state = {"square": zeros_of(params)}
        return {**state, "mean": zeros_of(params)} if centered else state

    def update(updates: Tree, state: Tree, params: Tree, moment: Moment) -> tuple[Tree, Tree]:
        square = toward(state["square"], tree.map(lambda u: u * u, updates), rho)
        if not centered:
            return tree.map(lambda u, s: u * rsqrt(s + epsilon), updates, square), {"square": square}
        mean = toward(state["mean"], updates, rho)
        scaled = tree.map(lambda u, s, m: u * rsqrt(s - m * m + epsilon), updates, square, mean)
        return scaled, {"square": square, "mean": mean}

    return Transform(init, update)


def scale_by_adam(beta_1: float, beta_2: float, epsilon: float, *, amsgrad: bool = False) -> Transform:
    """Mean over root mean square of the gradients, both corrected for their start at 0, times the learning
    rate.

    Source: Kingma and Ba, "Adam: a method for stochastic optimization", 2015 (the form of the end of section
    2: epsilon is added to the uncorrected root); Reddi, Kale and Kumar, "On the convergence of Adam and
        beyond", 2018 (amsgrad).
    """

    def init(params: Tree) -> Tree:
        state = {"mean": zeros_of(params), "square": zeros_of(params)}
        return {**state, "highest": zeros_of(params)} if amsgrad else state

    def update(updates: Tree, state: Tree, params: Tree, moment: Moment) -> tuple[Tree, Tree]:
        mean = toward(state["mean"], updates, beta_1)
        square = toward(state["square"], tree.map(lambda u: u * u, updates), beta_2)
        after = {"mean": mean, "square": square}
        if amsgrad:
            square = after["highest"] = tree.map(maximum, state["highest"], square)
        rate = moment.rate * sqrt(corrected(beta_2, moment)) / corrected(beta_1, moment)
        return tree.map(lambda m, s: times(rate, m) / (sqrt(s) + epsilon), mean, square), after

    return Transform(init, update)


def scale_by_nadam(beta_1: float, beta_2: float, epsilon: float, *, decay: float = 0.96) -> Transform:
    """Adam with Nesterov's momentum, whose strength grows along 1 - decay^t / 2.

    Source: Dozat, "Incorporating Nesterov momentum into Adam", 2016.
    """

    def init(params: Tree) -> Tree:
        return {"mean": zeros_of(params), "square": zeros_of(params), "product": full((), 1.0, dtype="float64")}

    def update(updates: Tree, state: Tree, params: Tree, moment: Moment) -> tuple[Tree, Tree]:
        base, t = full((), decay, dtype="float64"), count_of(moment)
        now, following = (beta_1 * (1.0 - 0.5 * pow(base, t + k)) for k in (0.0, 1.0))
        product = state["product"] * now
        mean = toward(state["mean"], updates, beta_1)
        square = toward(state["square"], tree.map(lambda u: u * u, updates), beta_2)
        ahead, own = following / (1.0 - product * following), (1.0 - now) / (1.0 - product)
        correction = 1.0 / corrected(beta_2, moment)

        def one(u: Tensor, m: Tensor, s: Tensor) -> Tensor:
            return times(moment.rate, times(ahead, m) + times(own, u)) / (sqrt(times(correction, s)) + epsilon)

        return tree.map(one, updates, mean, square), {"mean": mean, "square": square, "product": product}

    return Transform(init, update)


def scale_by_adamax(beta_1: float, beta_2: float, epsilon: float) -> Transform:
    """Adam with the largest gradient of late in place of the root mean square.

    Source: Kingma and Ba, "Adam: a method for stochastic optimization", 2015, section 7.1.
    """

    def update(updates: Tree, state: Tree, params: Tree, moment: Moment) -> tuple[Tree, Tree]:
        mean = toward(state["mean"], updates, beta_1)
        largest = tree.map(lambda s, u: maximum(_by(s, beta_2), abs(u)), state["largest"], updates)
        rate = moment.rate / corrected(beta_1, moment)
        return tree.map(lambda m, s: times(rate, m) / (s + epsilon), mean, largest), {
            "mean": mean,
            "largest": largest,
        }

    return Transform(lambda params: {"mean": zeros_of(params), "largest": zeros_of(params)}, update)


def scale_by_adagrad(initial: float, epsilon: float) -> Transform:
    """u / sqrt(sum of all squares so far + epsilon).

    Source: Duchi, Hazan and Singer, "Adaptive subgradient methods for online learning and stochastic
    optimization", 2011.
    """

    def update(updates: Tree, state: Tree, params: Tree, moment: Moment) -> tuple[Tree, Tree]:
        total = tree.map(lambda s, u: s + u * u, state, updates)
        return tree.map(lambda u, s: u * rsqrt(s + epsilon), updates, total), total

    return Transform(lambda params: tree.map(lambda p: full_like(p, initial), params), update)


def scale_by_adadelta(rho: float, epsilon: float) -> Transform:
    """The root mean square of late updates over that of late gradients, times the gradient.

    Source: Zeiler, "ADADELTA: an adaptive learning rate method", 2012.
    """

    def update(updates: Tree, state: Tree, params: Tree, moment: Moment) -> tuple[Tree, Tree]:
        square = toward(state["square"], tree.map(lambda u: u * u, updates), rho)
        made = tree.map(lambda u, s, d: u * sqrt(d + epsilon) * rsqrt(s + epsilon), updates, square, state["change"])
        change = toward(state["change"], tree.map(lambda d: d * d, made), rho)
        return made, {"square": square, "change": change}

    return Transform(lambda params: {"square": zeros_of(params), "change": zeros_of(params)}, update)


def scale_by_lion(beta_1: float, beta_2: float) -> Transform:
    """The sign of a blend of momentum and gradient.

    Source: Chen et al., "Symbolic discovery of optimization algorithms", 2023.
    """

    def update(updates: Tree, state: Tree, params: Tree, moment: Moment) -> tuple[Tree, Tree]:
        made = tree.map(sign, toward(state, updates, beta_1))
        return made, toward(state, updates, beta_2)

    return Transform(zeros_of, update)


__all__ = [
    "Moment", "Transform", "add_decayed_weights", "chain", "clip_by_global_norm", "clip_by_norm",
    "clip_by_value", "scale_by_adadelta", "scale_by_adagrad", "scale_by_adam", "scale_by_adamax",
    "scale_by_learning_rate", "scale_by_lion", "scale_by_nadam", "scale_by_rms", "trace",
]  # fmt: skip
