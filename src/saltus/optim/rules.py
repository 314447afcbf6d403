"""Further rules of optimizers that treat each number by itself: pure (init, update) pairs like those of `transforms`;
above it, below `recipes`.
"""

from __future__ import annotations

from saltus.base import tree
from saltus.optim.transforms import Moment, Transform, Tree, corrected, count_of, times, toward, zeros_of
from saltus.tensor.creation import full, full_like
from saltus.tensor.elementwise import clip, maximum, minimum, pow, sign, sqrt, square, where
from saltus.tensor.operands import as_tensor
from saltus.tensor.tensor import Tensor


def _columns(made: list[tuple[Tensor, ...]], like: Tree) -> list[Tree]:
    """Trees of the first, second, ... of what was made for each leaf."""
    return [tree.unflatten(like, list(column)) for column in zip(*made, strict=True)]


def scale_by_radam(beta_1: float | Tensor, beta_2: float | Tensor, epsilon: float) -> Transform:
    """Adam that leaves the mean square out until enough of it is known, and trusts it the more the longer it runs.

    Source: Liu et al., "On the variance of the adaptive learning rate and beyond", 2020.
    """

    def update(updates: Tree, state: Tree, params: Tree, moment: Moment) -> tuple[Tree, Tree]:
        mean = toward(state["mean"], updates, beta_1)
        square_ = toward(state["square"], tree.map(square, updates), beta_2)
        base = beta_2 if isinstance(beta_2, Tensor) else full((), beta_2, dtype="float64")
        step = count_of(moment)
        most = 2.0 / (1.0 - base) - 1.0
        known = most - 2.0 * step * pow(base, step) / corrected(beta_2, moment)
        trusted = known > 5.0
        held = maximum(known, 5.0)
        share = sqrt(maximum((held - 4.0) * (held - 2.0) * most / ((most - 4.0) * (most - 2.0) * held), 0.0))
        plain = moment.rate / corrected(beta_1, moment)
        rate = where(trusted, plain * share * sqrt(corrected(beta_2, moment)), plain)

        def one(m: Tensor, s: Tensor) -> Tensor:
            return times(rate, m) / where(trusted, sqrt(s) + epsilon, 1.0)

        return tree.map(one, mean, square_), {"mean": mean, "square": square_}

    return Transform(lambda params: {"mean": zeros_of(params), "square": zeros_of(params)}, update)


def scale_by_rprop(shrink: float, grow: float, smallest: float, largest: float) -> Transform:
    """A step size of its own for each number: it grows while the gradient keeps its sign, and shrinks when it turns. Only the
    signs of gradients are looked at.

    Source: Riedmiller and Braun, "A direct adaptive method for faster backpropagation learning: the RPROP algorithm", 1993; in
    the form that forgets a gradient whose sign has turned (Igel and Hüsken, 2000, "iRprop-").
    """

    def update(updates: Tree, state: Tree, params: Tree, moment: Moment) -> tuple[Tree, Tree]:
        first = moment.step == 0

        def one(u: Tensor, before: Tensor, size: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            turn = sign(u * before)
            own = where(first, moment.rate.astype(u.dtype), size)
            now = clip(where(turn > 0, own * grow, where(turn < 0, own * shrink, own)), smallest, largest)
            kept = where(turn < 0, 0.0, u)
            return sign(kept) * now, kept, now

        made = [one(*leaf) for leaf in zip(*(tree.leaves(t) for t in (updates, state["before"], state["size"])), strict=True)]
        steps, before, size = _columns(made, params)
        return steps, {"before": before, "size": size}

    return Transform(lambda params: {"before": zeros_of(params), "size": zeros_of(params)}, update)


def scale_by_asgd(decay: float, power: float, start: float) -> Transform:
    """Gradient descent whose rate falls as rate / (1 + decay rate t)^power, and the mean of the parameters from update `start` on.

    Source: Polyak and Juditsky, "Acceleration of stochastic approximation by averaging", 1992.
    """

    def update(updates: Tree, state: Tree, params: Tree, moment: Moment) -> tuple[Tree, Tree]:
        step = moment.step.astype("float64")
        rate = moment.rate / pow(1.0 + decay * moment.rate * step, power)
        share = 1.0 / maximum(step - start, 1.0)
        made = tree.map(lambda u, p: times(rate, u + decay * p), updates, params)
        average = tree.map(lambda a, p, u: a + times(share, p - u - a), state["average"], params, made)
        return made, {"average": average}

    return Transform(lambda params: {"average": tree.map(as_tensor, params)}, update)


def scale_by_ftrl(power: float, initial: float, l1: float, l2: float, shrinkage: float, beta: float) -> Transform:
    """The parameters that would have been best for all gradients so far, held near 0 by |w| and w^2: many become exactly 0.

    Source: McMahan et al., "Ad click prediction: a view from the trenches", 2013.
    """

    def raised(total: Tensor) -> Tensor:
        return sqrt(total) if power == -0.5 else pow(total, -power)

    def update(updates: Tree, state: Tree, params: Tree, moment: Moment) -> tuple[Tree, Tree]:
        moves = moment.rate > 0
        inverse = 1.0 / where(moves, moment.rate, 1.0)

        def one(u: Tensor, p: Tensor, total: Tensor, linear: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            grown = total + u * u
            pulled = u + p * (2.0 * shrinkage) if shrinkage else u
            line = linear + pulled - times(inverse, (raised(grown) - raised(total)) * p)
            curve = times(inverse, raised(grown) + beta) + 2.0 * l2
            held = clip(line, -l1, l1) - line if l1 else -line
            return where(moves, p - held / curve, 0.0), where(moves, grown, total), where(moves, line, linear)

        made = [one(*leaf) for leaf in zip(*(tree.leaves(t) for t in (updates, params, state["total"], state["linear"])), strict=True)]
        steps, total, linear = _columns(made, params)
        return steps, {"total": total, "linear": linear}

    return Transform(
        lambda params: {"total": tree.map(lambda p: full_like(p, initial), params), "linear": zeros_of(params)}, update
    )  # fmt: skip


def scale_by_schedule_free(beta_1: float | Tensor, beta_2: float | Tensor, epsilon: float, warmup: int) -> Transform:
    """RMSprop on a fast copy z of the parameters; x is the mean of all z; gradients are taken between the two, at
    (1 - beta_1) z + beta_1 x. Nothing has to know when the training ends.

    Source: Defazio et al., "The road less scheduled", 2024.
    """

    def update(updates: Tree, state: Tree, params: Tree, moment: Moment) -> tuple[Tree, Tree]:
        step = count_of(moment)
        rate = moment.rate * minimum(step / warmup, 1.0) if warmup else moment.rate
        square_ = toward(state["square"], tree.map(square, updates), beta_2)
        correction = 1.0 / corrected(beta_2, moment)
        fast = tree.map(lambda z, u, s: z - times(rate, u) / (sqrt(times(correction, s)) + epsilon), state["fast"], updates, square_)
        average = tree.map(lambda x, z: x + times(1.0 / step, z - x), state["average"], fast)
        blend = beta_1 if isinstance(beta_1, Tensor) else full((), beta_1, dtype="float64")
        made = tree.map(lambda p, z, x: p - (z + times(blend, x - z)), params, fast, average)
        return made, {"square": square_, "fast": fast, "average": average}

    def init(params: Tree) -> Tree:
        return {"square": zeros_of(params), "fast": tree.map(as_tensor, params), "average": tree.map(as_tensor, params)}

    return Transform(init, update)


__all__ = ["scale_by_asgd", "scale_by_ftrl", "scale_by_radam", "scale_by_rprop", "scale_by_schedule_free"]
