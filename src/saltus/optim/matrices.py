"""Rules of optimizers that look at a parameter, or all of them, as a whole: its norm, its rows and columns, its directions.
Pure (init, update) pairs like those of `transforms`; above it, below `recipes`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from saltus.base import tree
from saltus.optim.transforms import Moment, Transform, Tree, corrected, count_of, scale_by_adam, times, toward, zeros_of
from saltus.tensor.creation import full, zeros
from saltus.tensor.elementwise import abs, maximum, minimum, pow, rsqrt, sqrt, square, where
from saltus.tensor.manipulation import concat, expand_dims, matrix_transpose
from saltus.tensor.products import matmul
from saltus.tensor.reduction import mean, sum
from saltus.tensor.tensor import Tensor

Chosen = Callable[[str, Tensor], bool]  # path and parameter -> whether a rule is meant for it


def _root_mean_square(x: Tensor) -> Tensor:
    return sqrt(mean(square(x)))


def scale_by_adafactor(decay: float, epsilon_1: float, epsilon_2: float, threshold: float, relative: bool) -> Transform:
    """Adam without momentum, whose mean squares are kept as one number a row and one a column; steps go with the parameter's
    size.

    Args:
        decay: the power by which the weight of the newest square falls, below 0.
        epsilon_1: added to the squares.
        epsilon_2: the smallest size a parameter is taken to have.
        threshold: updates whose root mean square is larger are scaled down to it.
        relative: let a rate that is a number be at most 1 / sqrt(t).

    Source: Shazeer and Stern, "Adafactor: adaptive learning rates with sublinear memory cost", 2018.
    """

    def start(p: Tensor) -> dict[str, Tensor]:
        if p.ndim < 2:
            return {"square": zeros(p.shape, dtype=p.dtype)}
        return {"rows": zeros(p.shape[:-1], dtype=p.dtype), "columns": zeros((*p.shape[:-2], p.shape[-1]), dtype=p.dtype)}

    def update(updates: Tree, state: Tree, params: Tree, moment: Moment) -> tuple[Tree, Tree]:
        step = count_of(moment)
        newest = pow(step, decay)
        rate = minimum(moment.rate, rsqrt(step)) if relative else moment.rate

        def one(u: Tensor, p: Tensor, own: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
            size = square(u) + epsilon_1

            def kept(before: Tensor, now: Tensor) -> Tensor:
                return before + times(newest, now - before)

            if p.ndim < 2:
                after = {"square": kept(own["square"], size)}
                scaled = u * rsqrt(after["square"])
            else:
                after = {"rows": kept(own["rows"], mean(size, axis=-1)), "columns": kept(own["columns"], mean(size, axis=-2))}
                share = after["rows"] / mean(after["rows"], axis=-1, keepdims=True)
                scaled = u * expand_dims(rsqrt(share), axis=-1) * expand_dims(rsqrt(after["columns"]), axis=-2)
            calm = scaled / maximum(_root_mean_square(scaled) / threshold, 1.0)
            return calm * (rate.astype(p.dtype) * maximum(_root_mean_square(p), epsilon_2)), after

        made = [one(*leaf) for leaf in zip(tree.leaves(updates), tree.leaves(params), state, strict=True)]
        return tree.unflatten(params, [m[0] for m in made]), [m[1] for m in made]

    return Transform(lambda params: [start(p) for p in tree.leaves(params)], update)


def adam_direction(beta_1: float | Tensor, beta_2: float | Tensor, epsilon: float) -> Transform:
    """Mean over root mean square of the gradients, both corrected for their start at 0, without the learning rate."""

    def update(updates: Tree, state: Tree, params: Tree, moment: Moment) -> tuple[Tree, Tree]:
        mean_ = toward(state["mean"], updates, beta_1)
        square_ = toward(state["square"], tree.map(square, updates), beta_2)
        first, second = 1.0 / corrected(beta_1, moment), 1.0 / corrected(beta_2, moment)
        made = tree.map(lambda m, s: times(first, m) / (sqrt(times(second, s)) + epsilon), mean_, square_)
        return made, {"mean": mean_, "square": square_}

    return Transform(lambda params: {"mean": zeros_of(params), "square": zeros_of(params)}, update)


def add_parameters(factor: float | Tensor, leave_out: tuple[str, ...] = ()) -> Transform:
    """factor * parameter on top of each update, but for parameters whose path contains one of these texts."""

    def one(path: Any, u: Tensor, p: Tensor) -> Tensor:
        if any(t in tree.format_path(path) for t in leave_out):
            return u
        return u + (times(factor, p) if isinstance(factor, Tensor) else p * factor)

    def add(updates: Tree, state: Tree, params: Tree, moment: Moment) -> tuple[Tree, Tree]:
        pairs = zip(tree.paths(params), tree.leaves(updates), strict=True)
        return tree.unflatten(params, [one(path, u, p) for (path, p), u in pairs]), state

    return Transform(lambda params: {}, add)


def scale_by_trust_ratio() -> Transform:
    """Each parameter's update brought to the parameter's own norm, times the learning rate; where one of the two is 0, only the
    latter.

    Source: You et al., "Large batch optimization for deep learning: training BERT in 76 minutes", 2020.
    """

    def one(u: Tensor, p: Tensor, moment: Moment) -> Tensor:
        own, other = sqrt(sum(square(p))), sqrt(sum(square(u)))
        usable = (own > 0) & (other > 0)
        return u * (moment.rate.astype(p.dtype) * where(usable, own / where(usable, other, 1.0), 1.0))

    return Transform(
        lambda params: {},
        lambda updates, state, params, moment: (tree.map(lambda u, p: one(u, p, moment), updates, params), state),
    )


def orthogonalised(x: Tensor, steps: int, a: float, b: float, c: float) -> Tensor:
    """A matrix whose singular values are brought near 1, by `steps` rounds of X <- a X + (b X X^T + c (X X^T)^2) X.

    Example:
        >>> import saltus as sl
        >>> made = orthogonalised(sl.asarray([[3.0, 0.0], [0.0, 0.5]]), 5, 3.4445, -4.7750, 2.0315)
        >>> bool(abs(float(made[0, 0]) - 1) < 0.35), bool(abs(float(made[1, 1]) - 1) < 0.35)
        (True, True)
    """
    tall = x.shape[-2] > x.shape[-1]
    made = matrix_transpose(x) if tall else x
    made = made / (sqrt(sum(square(made), axis=(-2, -1), keepdims=True)) + 1e-7)
    for _ in range(steps):
        gram = matmul(made, matrix_transpose(made))
        made = made * a + matmul(gram * b + matmul(gram, gram) * c, made)
    return matrix_transpose(made) if tall else made


def scale_by_muon(
    momentum: float | Tensor, nesterov: bool, steps: int, factors: tuple[float, float, float], rms: float | None
) -> Transform:
    """Momentum whose matrix is made orthogonal: every direction moves alike, not only the strong ones. For matrices.

    Args:
        momentum: how much of the last update goes on.
        nesterov: look one step ahead.
        steps: rounds of the iteration that makes it orthogonal.
        factors: its three numbers.
        rms: times this and the root of the longer side, so that rates of Adam fit; None leaves it out.

    Source: Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024; Liu et al., "Muon is scalable for LLM
    training", 2025.
    """

    def one(u: Tensor, velocity: Tensor, moment: Moment) -> tuple[Tensor, Tensor]:
        share = momentum.astype(u.dtype) if isinstance(momentum, Tensor) else momentum
        after = velocity * share + u
        made = orthogonalised(after * share + u if nesterov else after, steps, *factors)
        return times(moment.rate, made if rms is None else made * (rms * max(u.shape) ** 0.5)), after

    def update(updates: Tree, state: Tree, params: Tree, moment: Moment) -> tuple[Tree, Tree]:
        made = [one(u, v, moment) for u, v in zip(tree.leaves(updates), tree.leaves(state), strict=True)]
        return tree.unflatten(params, [m[0] for m in made]), tree.unflatten(params, [m[1] for m in made])

    return Transform(zeros_of, update)


def split(chosen: Chosen, inside: Transform, outside: Transform) -> Transform:
    """One rule for the parameters that are chosen, another for the rest.

    Args:
        chosen: of a path such as "dense/kernel" and the parameter.
        inside: the rule of those that are.
        outside: the rule of those that are not.
    """

    def sides(params: Tree) -> list[bool]:
        return [chosen(tree.format_path(path), p) for path, p in tree.paths(params)]

    def part(values: Tree, picked: list[bool], which: bool) -> list[Any]:
        return [v for v, p in zip(tree.leaves(values), picked, strict=True) if p is which]

    def init(params: Tree) -> Tree:
        picked = sides(params)
        return {"inside": inside.init(part(params, picked, True)), "outside": outside.init(part(params, picked, False))}

    def update(updates: Tree, state: Tree, params: Tree, moment: Moment) -> tuple[Tree, Tree]:
        picked = sides(params)
        ran = {
            name: rule.update(part(updates, picked, which), state[name], part(params, picked, which), moment)
            for name, rule, which in (("inside", inside, True), ("outside", outside, False))
        }
        left = {True: iter(ran["inside"][0]), False: iter(ran["outside"][0])}
        return tree.unflatten(params, [next(left[p]) for p in picked]), {name: after for name, (_, after) in ran.items()}

    return Transform(init, update)


def adam_for_the_rest(chosen: Chosen, inside: Transform, beta_1: float, beta_2: float, epsilon: float, ratio: float) -> Transform:
    """`inside` for the parameters that are chosen, Adam at `ratio` times the learning rate for the rest."""
    adam = scale_by_adam(beta_1, beta_2, epsilon)
    slower = Transform(adam.init, lambda u, s, p, moment: adam.update(u, s, p, moment._replace(rate=moment.rate * ratio)))
    return split(chosen, inside, slower)


def scale_by_lbfgs(history: int) -> Transform:
    """The direction of Newton's method, from the last `history` changes of parameters and gradients, all parameters as one vector.

    The first step is the gradient, shortened to a sum of sizes of at most 1. A change along which the gradient does not grow is
    not remembered.

    Source: Liu and Nocedal, "On the limited memory BFGS method for large scale optimization", 1989.
    """

    def init(params: Tree) -> Tree:
        def empty() -> Tree:
            return tree.map(lambda p: zeros((history, *p.shape), dtype=p.dtype), params)

        return {
            "gradient": zeros_of(params), "step": zeros_of(params), "changes": empty(), "steps": empty(),
            "inverse": zeros((history,), dtype="float64"), "scale": full((), 1.0, dtype="float64"),
        }  # fmt: skip

    def dot(a: list[Tensor], b: list[Tensor]) -> Tensor:
        total = sum(a[0] * b[0]).astype("float64")
        for x, y in zip(a[1:], b[1:], strict=True):
            total = total + sum(x * y).astype("float64")
        return total

    def update(updates: Tree, state: Tree, params: Tree, moment: Moment) -> tuple[Tree, Tree]:
        g = tree.leaves(updates)
        if not g:
            return updates, state
        first = moment.step == 0
        step = tree.leaves(state["step"])
        change = [a - b for a, b in zip(g, tree.leaves(state["gradient"]), strict=True)]
        along, own = dot(change, step), dot(change, change)
        fits = (along > 1e-10) & (moment.step > 0)

        def pushed(old: Tensor, new: Tensor) -> Tensor:
            return where(fits, concat([old[1:], expand_dims(new, axis=0)], axis=0), old)

        changes = [pushed(o, n) for o, n in zip(tree.leaves(state["changes"]), change, strict=True)]
        steps = [pushed(o, n) for o, n in zip(tree.leaves(state["steps"]), step, strict=True)]
        inverse = pushed(state["inverse"], 1.0 / where(fits, along, 1.0))
        scale = where(fits, along / where(fits, own, 1.0), state["scale"])
        # two passes over what is remembered, from the newest back and forth again
        direction, shares = list(g), {}
        for k in reversed(range(history)):
            shares[k] = inverse[k] * dot([s[k] for s in steps], direction)
            direction = [d - times(shares[k], c[k]) for d, c in zip(direction, changes, strict=True)]
        direction = [times(scale, d) for d in direction]
        for k in range(history):
            back = shares[k] - inverse[k] * dot([c[k] for c in changes], direction)
            direction = [d + times(back, s[k]) for d, s in zip(direction, steps, strict=True)]
        total = sum(abs(g[0])).astype("float64")
        for more in g[1:]:
            total = total + sum(abs(more)).astype("float64")
        rate = moment.rate * where(first, minimum(1.0 / maximum(total, 1e-30), 1.0), 1.0)
        made = [times(rate, d) for d in direction]
        after = {
            "gradient": updates, "step": tree.unflatten(params, [-m for m in made]), "changes": tree.unflatten(params, changes),
            "steps": tree.unflatten(params, steps), "inverse": inverse, "scale": scale,
        }  # fmt: skip
        return tree.unflatten(params, made), after

    return Transform(init, update)


__all__ = [
    "adam_direction", "adam_for_the_rest", "add_parameters", "orthogonalised", "scale_by_adafactor", "scale_by_lbfgs", "scale_by_muon",
    "scale_by_trust_ratio", "split",
]  # fmt: skip
