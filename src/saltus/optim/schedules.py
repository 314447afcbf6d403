"""Learning rates over time: pure functions of the step, so that a resumed run goes on exactly where it was.

A step is one update of the weights, counted from 0. The first six classes have the names and arguments of
Keras; those that end in `LR` have PyTorch's, with the rate itself as first argument and steps where PyTorch
counts calls of `scheduler.step()`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from saltus.base.errors import ArgumentError, unknown_name
from saltus.optim.record import Record, number, record, whole
from saltus.tensor.creation import full
from saltus.tensor.elementwise import ceil, cos, floor, log, maximum, minimum, pow, where
from saltus.tensor.operands import as_tensor
from saltus.tensor.tensor import Tensor


class Schedule(Record):
    """A learning rate that depends on the step; derive from it, and write `rate(t)`."""

    def __call__(self, step: Any) -> Tensor:
        """The rate at a step.

        Args:
            step: number of updates made so far, a whole number or an integer Tensor of shape ().

        Returns:
            A float64 Tensor of shape ().
        """
        return as_tensor(self.rate(as_tensor(step).astype("float64"))).astype("float64")

    def rate(self, t: Tensor) -> Tensor:
        """The formula, on a float64 Tensor."""
        raise NotImplementedError


def _half_cosine(share: Any) -> Tensor:
    """1 at share 0, 0 at share 1."""
    return (cos(share * math.pi) + 1.0) * 0.5


@record("schedule")
class ExponentialDecay(Schedule):
    """learning_rate * decay_rate ^ (step / decay_steps).

    Args:
        initial_learning_rate: the rate at step 0.
        decay_steps: steps after which the rate has been multiplied by decay_rate once.
        decay_rate: that factor.
        staircase: change it only every decay_steps.

    Example:
        >>> float(ExponentialDecay(0.1, decay_steps=10, decay_rate=0.5)(20))
        0.025
    """

    initial_learning_rate: float = number(low=0)
    decay_steps: int = whole()
    decay_rate: float = number(low=0)
    staircase: bool = False

    def rate(self, t: Tensor) -> Tensor:
        turns = t / self.decay_steps
        return pow(self.decay_rate, floor(turns) if self.staircase else turns) * self.initial_learning_rate


@record("schedule")
class CosineDecay(Schedule):
    """From the initial rate down to alpha times it along half a cosine, after a linear warm-up if one is
    asked for.

    Args:
        initial_learning_rate: the rate at step 0.
        decay_steps: steps of the decay (the warm-up not counted).
        alpha: the last rate as a share of the first.
        warmup_target: the rate to which the warm-up leads; None for no warm-up.
        warmup_steps: steps of the warm-up.

    Source: Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", 2017.

    Example:
        >>> float(CosineDecay(0.1, decay_steps=100)(50))
        0.05
    """

    initial_learning_rate: float = number(low=0)
    decay_steps: int = whole()
    alpha: float = number(0.0, low=0)
    warmup_target: float | None = number(None, low=0)
    warmup_steps: int = whole(0, low=0)

    def rate(self, t: Tensor) -> Tensor:
        warm = self.warmup_target is not None
        top = self.warmup_target if warm else self.initial_learning_rate
        share = minimum(maximum(t - (self.warmup_steps if warm else 0), 0.0) / self.decay_steps, 1.0)
        falling = (_half_cosine(share) * (1.0 - self.alpha) + self.alpha) * top
        if not warm or not self.warmup_steps:
            return falling
        rising = t / self.warmup_steps * (top - self.initial_learning_rate) + self.initial_learning_rate
        return where(t < self.warmup_steps, rising, falling)


@record("schedule")
class CosineDecayRestarts(Schedule):
    """Half a cosine again and again, each longer by t_mul and lower by m_mul.

    Args:
        initial_learning_rate: the rate at step 0.
        first_decay_steps: steps of the first fall.
        t_mul: factor of each next length.
        m_mul: factor of each next height.
        alpha: the lowest rate as a share of the initial one.

    Source: Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", 2017.

    Example:
        >>> rate = CosineDecayRestarts(0.1, first_decay_steps=10)
        >>> float(rate(0)), float(rate(10)), float(rate(30))
        (0.1, 0.1, 0.1)
    """

    initial_learning_rate: float = number(low=0)
    first_decay_steps: int = whole()
    t_mul: float = number(2.0, low=1)
    m_mul: float = number(1.0, above=0)
    alpha: float = number(0.0, low=0)

    def rate(self, t: Tensor) -> Tensor:
        turn, share = _restart(t, self.first_decay_steps, self.t_mul)
        height = pow(self.m_mul, turn) * _half_cosine(share)
        return (height * (1.0 - self.alpha) + self.alpha) * self.initial_learning_rate


def _restart(t: Tensor, first: int, factor: float) -> tuple[Tensor, Tensor]:
    """Number of the fall that step t belongs to, and the share of it that is over."""
    passed = t / first
    if factor == 1:
        turn = floor(passed + 1e-9)
        return turn, maximum(passed - turn, 0.0)
    turn = floor(log(passed * (factor - 1.0) + 1.0) / math.log(factor) + 1e-9)
    length = pow(factor, turn)
    return turn, maximum((passed - (length - 1.0) / (factor - 1.0)) / length, 0.0)


@record("schedule")
class PolynomialDecay(Schedule):
    """From the initial rate to the end rate along (1 - step / decay_steps) ^ power.

    Args:
        initial_learning_rate: the rate at step 0.
        decay_steps: steps of the decay.
        end_learning_rate: the rate from then on.
        power: 1 is a straight line.
        cycle: begin again from a point on a longer curve each time the end is reached.

    Example:
        >>> float(PolynomialDecay(0.1, decay_steps=10, end_learning_rate=0.0)(5))
        0.05
    """

    initial_learning_rate: float = number(low=0)
    decay_steps: int = whole()
    end_learning_rate: float = number(0.0001, low=0)
    power: float = number(1.0, above=0)
    cycle: bool = False

    def rate(self, t: Tensor) -> Tensor:
        if self.cycle:
            share = t / (maximum(ceil(t / self.decay_steps), 1.0) * self.decay_steps)
        else:
            share = minimum(t / self.decay_steps, 1.0)
        return pow(1.0 - share, self.power) * (self.initial_learning_rate - self.end_learning_rate) + self.end_learning_rate


@record("schedule")
class PiecewiseConstantDecay(Schedule):
    """One rate up to and including each boundary, and a last one.

    Args:
        boundaries: growing step numbers.
        values: one rate more than there are boundaries.

    Example:
        >>> rate = PiecewiseConstantDecay([10], [0.1, 0.01])
        >>> float(rate(10)), float(rate(11))
        (0.1, 0.01)
    """

    boundaries: tuple[float, ...]
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "boundaries", tuple(self.boundaries))
        object.__setattr__(self, "values", tuple(self.values))
        if len(self.values) != len(self.boundaries) + 1 or list(self.boundaries) != sorted(set(self.boundaries)):
            raise ArgumentError(
                f"PiecewiseConstantDecay: {len(self.boundaries)} boundaries and {len(self.values)} values",
                fix="give growing boundaries, and one value more than there are boundaries",
            )

    def rate(self, t: Tensor) -> Tensor:
        rate = t * 0.0 + self.values[-1]
        for boundary, value in reversed(list(zip(self.boundaries, self.values, strict=False))):
            rate = where(t <= boundary, float(value), rate)
        return rate


@record("schedule")
class InverseTimeDecay(Schedule):
    """learning_rate / (1 + decay_rate * step / decay_steps).

    Args:
        initial_learning_rate: the rate at step 0.
        decay_steps: how often the decay is applied.
        decay_rate: how much it weighs.
        staircase: change the rate only every decay_steps.

    Example:
        >>> float(InverseTimeDecay(0.1, decay_steps=1, decay_rate=1.0)(4))
        0.02
    """

    initial_learning_rate: float = number(low=0)
    decay_steps: int = whole()
    decay_rate: float = number(low=0)
    staircase: bool = False

    def rate(self, t: Tensor) -> Tensor:
        turns = t / self.decay_steps
        return self.initial_learning_rate / ((floor(turns) if self.staircase else turns) * self.decay_rate + 1.0)


@record("schedule")
class Warmup(Schedule):
    """A straight rise to the first rate of another schedule, which then begins.

    Args:
        schedule: a rate or a schedule.
        steps: steps of the rise.
        start: the rate at step 0.

    Source: Goyal et al., "Accurate, large minibatch SGD", 2017.

    Example:
        >>> rate = Warmup(0.1, steps=10)
        >>> float(rate(0)), float(rate(5)), float(rate(100))
        (0.0, 0.05, 0.1)
    """

    schedule: float | Schedule
    steps: int = whole()
    start: float = number(0.0, low=0)

    def rate(self, t: Tensor) -> Tensor:
        after = rate_at(self.schedule, maximum(t - self.steps, 0.0))
        return where(
            t < self.steps,
            t / self.steps * (rate_at(self.schedule, t * 0.0) - self.start) + self.start,
            after,
        )


@record("schedule")
class StepLR(Schedule):
    """The rate times gamma every step_size steps.

    Args:
        learning_rate: the rate at step 0.
        step_size: steps between two changes.
        gamma: the factor.

    Example:
        >>> float(StepLR(1.0, step_size=10, gamma=0.5)(25))
        0.25
    """

    learning_rate: float = number(low=0)
    step_size: int = whole()
    gamma: float = number(0.1, above=0)

    def rate(self, t: Tensor) -> Tensor:
        return pow(self.gamma, floor(t / self.step_size)) * self.learning_rate


@record("schedule")
class MultiStepLR(Schedule):
    """The rate times gamma at each of some steps.

    Args:
        learning_rate: the rate at step 0.
        milestones: those steps.
        gamma: the factor.

    Example:
        >>> float(MultiStepLR(1.0, milestones=[10, 20], gamma=0.5)(20))
        0.25
    """

    learning_rate: float = number(low=0)
    milestones: tuple[int, ...] = ()
    gamma: float = number(0.1, above=0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "milestones", tuple(self.milestones))
        super().__post_init__()

    def rate(self, t: Tensor) -> Tensor:
        rate = t * 0.0 + self.learning_rate
        for milestone in self.milestones:
            rate = where(t >= milestone, rate * self.gamma, rate)
        return rate


@record("schedule")
class ExponentialLR(Schedule):
    """The rate times gamma at every step.

    Args:
        learning_rate: the rate at step 0.
        gamma: the factor.

    Example:
        >>> float(ExponentialLR(1.0, gamma=0.5)(2))
        0.25
    """

    learning_rate: float = number(low=0)
    gamma: float = number(above=0)

    def rate(self, t: Tensor) -> Tensor:
        return pow(self.gamma, t) * self.learning_rate


@record("schedule")
class CosineAnnealingLR(Schedule):
    """A cosine between the rate and eta_min that takes T_max steps each way.

    Args:
        learning_rate: the rate at step 0.
        T_max: steps of one fall.
        eta_min: the lowest rate.

    Example:
        >>> float(CosineAnnealingLR(1.0, T_max=10)(10))
        0.0
    """

    learning_rate: float = number(low=0)
    T_max: int = whole()
    eta_min: float = number(0.0, low=0)

    def rate(self, t: Tensor) -> Tensor:
        return _half_cosine(t / self.T_max) * (self.learning_rate - self.eta_min) + self.eta_min


@record("schedule")
class CosineAnnealingWarmRestarts(Schedule):
    """Half a cosine from the rate to eta_min again and again, each T_mult times longer.

    Args:
        learning_rate: the rate at step 0.
        T_0: steps of the first fall.
        T_mult: factor of each next length.
        eta_min: the lowest rate.

    Source: Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", 2017.

    Example:
        >>> float(CosineAnnealingWarmRestarts(1.0, T_0=10)(10))
        1.0
    """

    learning_rate: float = number(low=0)
    T_0: int = whole()
    T_mult: int = whole(1)
    eta_min: float = number(0.0, low=0)

    def rate(self, t: Tensor) -> Tensor:
        _, share = _restart(t, self.T_0, self.T_mult)
        return _half_cosine(share) * (self.learning_rate - self.eta_min) + self.eta_min


@record("schedule")
class OneCycleLR(Schedule):
    """Up to max_lr, then far down: one cycle over the whole training.

    Args:
        max_lr: the highest rate.
        total_steps: steps of the training.
        pct_start: the share of them that the rise takes.
        anneal_strategy: "cos" or "linear".
        div_factor: the first rate is max_lr / div_factor.
        final_div_factor: the last rate is the first one / final_div_factor.
        three_phase: come down as slowly as up before the last fall.

    Source: Smith and Topin, "Super-convergence: very fast training of neural networks using large learning
    rates", 2018.

    Example:
        >>> float(OneCycleLR(1.0, total_steps=100)(29))
        1.0
    """

    max_lr: float = number(above=0)
    total_steps: int = whole(low=2)
    pct_start: float = number(0.3, above=0, high=1)
    anneal_strategy: str = "cos"
    div_factor: float = number(25.0, above=0)
    final_div_factor: float = number(1e4, above=0)
    three_phase: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.anneal_strategy not in ("cos", "linear"):
            raise unknown_name(f"{type(self).__name__}: anneal_strategy", self.anneal_strategy, ("cos", "linear"))

    def rate(self, t: Tensor) -> Tensor:
        first = self.max_lr / self.div_factor
        last = first / self.final_div_factor
        rise = self.pct_start * self.total_steps - 1
        ends = [rise, 2 * self.pct_start * self.total_steps - 2, self.total_steps - 1] if self.three_phase else [rise, self.total_steps - 1]
        heights = [first, self.max_lr, first, last] if self.three_phase else [first, self.max_lr, last]
        rate = t
        for k in reversed(range(len(ends))):
            begin = ends[k - 1] if k else 0.0
            share = minimum((t - begin) / max(ends[k] - begin, 1e-9), 1.0)
            shape = _half_cosine(share) if self.anneal_strategy == "cos" else 1.0 - share
            piece = shape * (heights[k] - heights[k + 1]) + heights[k + 1]
            rate = piece if k == len(ends) - 1 else where(t <= ends[k], piece, rate)
        return rate


@record("schedule")
class CyclicLR(Schedule):
    """A saw-tooth between two rates.

    Args:
        base_lr: the lowest rate.
        max_lr: the highest rate.
        step_size_up: steps of each rise.
        step_size_down: steps of each fall; as many by default.
        mode: "triangular"; "triangular2" halves the height each cycle; "exp_range" multiplies it by gamma
            each step.
        gamma: that factor.

    Source: Smith, "Cyclical learning rates for training neural networks", 2017.

    Example:
        >>> float(CyclicLR(0.0, 1.0, step_size_up=10)(15))
        0.5
    """

    base_lr: float = number(low=0)
    max_lr: float = number(low=0)
    step_size_up: int = whole(2000)
    step_size_down: int | None = whole(None)
    mode: str = "triangular"
    gamma: float = number(1.0, above=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mode not in ("triangular", "triangular2", "exp_range"):
            raise unknown_name(f"{type(self).__name__}: mode", self.mode, ("triangular", "triangular2", "exp_range"))

    def rate(self, t: Tensor) -> Tensor:
        length = self.step_size_up + (self.step_size_down or self.step_size_up)
        turn = floor(t / length)
        share, top = t / length - turn, self.step_size_up / length
        height = where(share <= top, share / top, (share - 1.0) / (top - 1.0)) * (self.max_lr - self.base_lr)
        if self.mode == "triangular2":
            height = height * pow(0.5, turn)
        elif self.mode == "exp_range":
            height = height * pow(self.gamma, t)
        return height + self.base_lr


@record("schedule")
class LinearLR(Schedule):
    """The rate times a factor that goes in a straight line from one value to another.

    Args:
        learning_rate: the rate itself.
        start_factor: factor at step 0.
        end_factor: factor from step total_iters on.
        total_iters: steps between the two.

    Example:
        >>> float(LinearLR(1.0, start_factor=0.5, total_iters=10)(5))
        0.75
    """

    learning_rate: float = number(low=0)
    start_factor: float = number(1 / 3, above=0)
    end_factor: float = number(1.0, low=0)
    total_iters: int = whole(5)

    def rate(self, t: Tensor) -> Tensor:
        share = minimum(t / self.total_iters, 1.0)
        return (share * (self.end_factor - self.start_factor) + self.start_factor) * self.learning_rate


@record("schedule")
class PolynomialLR(Schedule):
    """The rate times (1 - step / total_iters) ^ power, down to 0.

    Args:
        learning_rate: the rate at step 0.
        total_iters: steps of the decay.
        power: 1 is a straight line.

    Example:
        >>> float(PolynomialLR(1.0, total_iters=10, power=2.0)(5))
        0.25
    """

    learning_rate: float = number(low=0)
    total_iters: int = whole(5)
    power: float = number(1.0, above=0)

    def rate(self, t: Tensor) -> Tensor:
        return pow(1.0 - minimum(t / self.total_iters, 1.0), self.power) * self.learning_rate


def rate_at(rate: float | Schedule | Callable[[Any], Any], step: Any) -> Tensor:
    """The learning rate at a step: of a schedule, of a function of the step, or a fixed number."""
    if isinstance(rate, Schedule):
        return rate(step)
    value = rate(step) if callable(rate) else rate
    return full((), value, dtype="float64") if isinstance(value, (int, float)) else as_tensor(value).astype("float64")


__all__ = [
    "CosineAnnealingLR", "CosineAnnealingWarmRestarts", "CosineDecay", "CosineDecayRestarts", "CyclicLR",
    "ExponentialDecay", "ExponentialLR", "InverseTimeDecay", "LinearLR", "MultiStepLR", "OneCycleLR",
    "PiecewiseConstantDecay", "PolynomialDecay", "PolynomialLR", "Schedule", "StepLR", "Warmup", "rate_at",
]  # fmt: skip
