"""Optimizers by name: each a short recipe of pieces from `transforms`, with the names, arguments and
defaults of Keras.

optimizer = Adam(1e-3, clipnorm=1.0)
state = optimizer.init(params)
params, state = optimizer.update(gradients, state, params, step)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from saltus.base import tree
from saltus.base.elsewhere import missing
from saltus.base.errors import ArgumentError, unknown_name
from saltus.optim import transforms as piece
from saltus.optim.record import REGISTRY, Record, find, from_config, number, record, whole
from saltus.optim.schedules import Schedule, rate_at
from saltus.optim.transforms import Moment, Transform, Tree, chain
from saltus.tensor.creation import full, zeros_like
from saltus.tensor.elementwise import where
from saltus.tensor.operands import as_tensor
from saltus.tensor.tensor import Tensor

Rate = float | Schedule | Callable[[Any], Any]

ADJUSTABLE = ("momentum", "weight_decay", "beta_1", "beta_2", "rho")


def _copy(value: Any) -> Any:
    """A record of the same fields that nobody else holds."""
    made = object.__new__(type(value))
    made.__dict__.update(value.__dict__)
    return made


def _counts(value: Any) -> bool:
    """Whether a number has a part in the update: one in the state may, any other unless it is 0 or None."""
    return isinstance(value, Tensor) or bool(value)


@dataclass(frozen=True)
class Optimizer(Record):
    """What all optimizers share; derive from it, and write `rule()`.

    Args:
        learning_rate: a number, a schedule, or a function of the step. Alias: lr.
        weight_decay: at each update every parameter loses learning_rate * weight_decay of itself.
        clipnorm: each parameter's gradient is scaled down to this norm.
        clipvalue: each element of the gradients is cut to [-clipvalue, clipvalue].
        global_clipnorm: all gradients together are scaled down to this norm. Only one of the three can be
            given.
        use_ema: keep a moving average of the parameters, which replaces them at the end of the training.
        ema_momentum: how much of the average stays at each update.
        ema_overwrite_frequency: replace the parameters by their average every so many updates too.
        loss_scale_factor: the training step multiplies the loss by this and gradients are divided by it again, so that small
            gradients of float16 do not vanish.
        gradient_accumulation_steps: make one update out of the mean gradient of so many batches.
        exclude_from_weight_decay: parameters whose path contains one of these texts do not decay.
        adjustable: names of further numbers, such as "momentum" or "learning_rate.max_lr" of a schedule, that stand in the
            state beside the learning rate, so that trainings that differ only in them share one compiled step.
    """

    learning_rate: Rate = 0.001
    weight_decay: float | None = number(None, low=0, kw_only=True)
    clipnorm: float | None = number(None, above=0, kw_only=True)
    clipvalue: float | None = number(None, above=0, kw_only=True)
    global_clipnorm: float | None = number(None, above=0, kw_only=True)
    use_ema: bool = field(default=False, kw_only=True)
    ema_momentum: float = number(0.99, low=0, high=1, kw_only=True)
    ema_overwrite_frequency: int | None = whole(None, kw_only=True)
    loss_scale_factor: float | None = number(None, above=0, kw_only=True)
    gradient_accumulation_steps: int | None = whole(None, kw_only=True)
    exclude_from_weight_decay: tuple[str, ...] = field(default=(), kw_only=True)
    adjustable: tuple[str, ...] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        rate = self.learning_rate
        if not callable(rate) and (isinstance(rate, (bool, str)) or not isinstance(rate, (int, float)) or not rate >= 0):
            raise ArgumentError(
                f"{type(self).__name__}: learning_rate is {rate!r}, expected a number from 0 on, a schedule, or a function of the step"
            )
        clips = [n for n in ("clipnorm", "clipvalue", "global_clipnorm") if getattr(self, n) is not None]
        if len(clips) > 1:
            raise ArgumentError(
                f"{type(self).__name__}: {' and '.join(clips)} are given; only one of them can be",
                fix=f"leave {clips[-1]} out",
            )
        for name in self.adjustable:
            if not isinstance(self.number(name), (int, float)):
                raise ArgumentError(f"{type(self).__name__}: adjustable names {name!r}, which is {self.number(name)!r} and not a number")

    def number(self, name: str) -> Any:
        """The value of a field by its name, "learning_rate.max_lr" for one of a schedule.

        Raises:
            UnknownNameError: there is no such number, or it shapes the step and cannot be changed.
        """
        owner, _, last = name.rpartition(".")
        holder = self.learning_rate if owner == "learning_rate" else self if not owner else None
        known = [n for n in ADJUSTABLE if hasattr(self, n)]
        if isinstance(self.learning_rate, Schedule):
            known += [f"learning_rate.{f.name}" for f in fields(self.learning_rate) if f.metadata.get("number")]
        if name not in known:
            raise unknown_name(f"adjustable number of {type(self).__name__}", name, known)
        return getattr(holder, last)

    def with_numbers(self, values: Mapping[str, Any]) -> Any:
        """This optimizer with other values of some numbers (see `number`), which may be Tensors and are not checked."""
        made = _copy(self)
        for name, value in values.items():
            owner, _, last = name.rpartition(".")
            if owner and made.learning_rate is self.learning_rate:
                made.__dict__["learning_rate"] = _copy(self.learning_rate)
            (made.learning_rate if owner else made).__dict__[last] = value
        return made

    def structure(self) -> Any:
        """The optimizer without the numbers that stand in its state: equal for trainings that can share a compiled step."""
        bare = dict.fromkeys(self.adjustable, 0.0)
        return self.with_numbers(bare if callable(self.learning_rate) else {**bare, "learning_rate": 0.0})

    def __getattr__(self, name: str) -> Any:
        raise missing("Optimizer", name)

    def rule(self) -> Transform:
        """From gradients to what is subtracted from the parameters."""
        raise NotImplementedError

    def transform(self) -> Transform:
        """The whole recipe: clipping, the rule, weight decay."""
        parts = [self.rule()]
        if self.clipnorm is not None:
            parts.insert(0, piece.clip_by_norm(self.clipnorm))
        if self.clipvalue is not None:
            parts.insert(0, piece.clip_by_value(self.clipvalue))
        if self.global_clipnorm is not None:
            parts.insert(0, piece.clip_by_global_norm(self.global_clipnorm))
        return chain(*parts, *self.decay())

    def decay(self) -> list[Transform]:
        """What takes weight decay off the parameters, behind the rule; a rule that does so itself returns nothing."""
        return [piece.add_decayed_weights(self.weight_decay, self.exclude_from_weight_decay)] if _counts(self.weight_decay) else []  # type: ignore[arg-type]

    def init(self, params: Tree) -> dict[str, Any]:
        """The state before the first update.

        Args:
            params: tree of Tensors.

        Returns:
            A dict of trees. A learning rate that is a number stands in it as "learning_rate", so that it can
            be changed without compiling the training step again.
        """
        live = {name: full((), float(self.number(name)), dtype="float64") for name in self.adjustable}
        state: dict[str, Any] = {"rule": self.with_numbers(live).transform().init(params)}
        if live:
            state["adjustable"] = live
        if not callable(self.learning_rate):
            state["learning_rate"] = full((), float(self.learning_rate), dtype="float64")
        if self.use_ema:
            state["average"] = tree.map(as_tensor, params)
        if self.gradient_accumulation_steps:
            state["gathered"] = tree.map(zeros_like, params)
        return state

    def update(self, gradients: Tree, state: dict[str, Any], params: Tree, step: Any) -> tuple[Tree, dict[str, Any]]:
        """One step.

        Args:
            gradients: tree like `params`.
            state: what `init` or the last `update` returned.
            params: tree of Tensors.
            step: batches seen so far, from 0: a whole number or an int64 Tensor of shape ().

        Returns:
            The new parameters and the new state.
        """
        step = as_tensor(step)
        if self.loss_scale_factor is not None:
            gradients = tree.map(lambda g: g * (1.0 / self.loss_scale_factor), gradients)  # type: ignore[operator]
        if not self.gradient_accumulation_steps:
            return self._apply(gradients, state, params, step)
        every = int(self.gradient_accumulation_steps)
        due = (step + 1) % every == 0
        gathered = tree.map(lambda a, g: a + g, state["gathered"], gradients)
        mean = tree.map(lambda a: a * (1.0 / every), gathered)
        held = {k: v for k, v in state.items() if k != "gathered"}
        new_params, new_state = self._apply(mean, held, params, step // every)

        def choose(new: Tensor, old: Tensor) -> Tensor:
            return where(due, new, old)

        after = tree.map(choose, new_state, held)
        after["gathered"] = tree.map(lambda a: where(due, zeros_like(a), a), gathered)
        return tree.map(choose, new_params, params), after

    def _apply(self, gradients: Tree, state: dict[str, Any], params: Tree, count: Tensor) -> tuple[Tree, dict[str, Any]]:
        live = self._live(state)
        rate = state["learning_rate"] if "learning_rate" in state else rate_at(live.learning_rate, count)
        updates, rule = live.transform().update(gradients, state["rule"], params, Moment(count, rate))
        new = tree.map(lambda p, u: p - u, params, updates)
        after = {**state, "rule": rule}
        if self.use_ema:
            # the first update puts the parameters in place of the average, which has seen nothing yet
            keep = where(count == 0, 0.0, full((), self.ema_momentum, dtype="float64"))
            after["average"] = tree.map(lambda a, p: p + keep.astype(p.dtype) * (a - p), state["average"], new)
            if self.ema_overwrite_frequency:
                due = (count + 1) % int(self.ema_overwrite_frequency) == 0
                new = tree.map(lambda a, p: where(due, a, p), after["average"], new)
        return new, after

    def averaged(self, state: dict[str, Any]) -> Tree | None:
        """What takes the parameters' place when the training ends: their moving average with use_ema, None when nothing does.

        Args:
            state: what `init` or the last `update` returned.
        """
        return state["average"] if self.use_ema else None

    def _live(self, state: dict[str, Any]) -> Any:
        """The optimizer with the numbers of a state in place of its own."""
        return self.with_numbers(state["adjustable"]) if self.adjustable else self

    def rate(self, state: dict[str, Any], step: Any) -> Tensor:
        """The learning rate that a step uses.

        Args:
            state: the optimizer's state.
            step: batches seen before that step.

        Returns:
            A float64 Tensor of shape ().
        """
        if "learning_rate" in state:
            return as_tensor(state["learning_rate"])
        return rate_at(self._live(state).learning_rate, as_tensor(step) // int(self.gradient_accumulation_steps or 1))


@record("optimizer")
class SGD(Optimizer):
    """Gradient descent, with momentum or Nesterov's momentum when asked for.

    Args:
        learning_rate: a number, a schedule, or a function of the step.
        momentum: how much of the last update goes on.
        nesterov: look one step ahead.
        **shared: see Optimizer.

    Source: Sutskever, Martens, Dahl and Hinton, "On the importance of initialization and momentum in deep
    learning", 2013.

    Example:
        >>> import saltus as sl
        >>> params = {"w": sl.asarray([1.0, 2.0])}
        >>> optimizer = SGD(0.1)
        >>> optimizer.update({"w": sl.asarray([1.0, -1.0])}, optimizer.init(params), params, 0)[0]
        {'w': Tensor([0.9, 2.1], shape=(2,), dtype=float32)}
    """

    learning_rate: Rate = 0.01
    momentum: float = number(0.0, low=0, high=1)
    nesterov: bool = False

    def rule(self) -> Transform:
        scaled = piece.scale_by_learning_rate()
        return chain(scaled, piece.trace(self.momentum, nesterov=self.nesterov)) if _counts(self.momentum) else scaled


@record("optimizer")
class RMSprop(Optimizer):
    """Gradients over the root of their mean square.

    Args:
        learning_rate: a number, a schedule, or a function of the step.
        rho: how much of the mean square stays.
        momentum: how much of the last update goes on.
        epsilon: added to the mean square.
        centered: over the standard deviation instead.
        **shared: see Optimizer.

    Source: Hinton, "Neural networks for machine learning", lecture 6, 2012.

    Example:
        >>> RMSprop(lr=0.01).learning_rate
        0.01
    """

    learning_rate: Rate = 0.001
    rho: float = number(0.9, low=0, high=1)
    momentum: float = number(0.0, low=0, high=1)
    epsilon: float = number(1e-7, low=0)
    centered: bool = False

    def rule(self) -> Transform:
        scaled = [
            piece.scale_by_rms(self.rho, self.epsilon, centered=self.centered),
            piece.scale_by_learning_rate(),
        ]
        return chain(*scaled, *([piece.trace(self.momentum)] if _counts(self.momentum) else []))


@record("optimizer")
class Adam(Optimizer):
    """Momentum and RMSprop in one, each corrected for its start at 0.

    Args:
        learning_rate: a number, a schedule, or a function of the step.
        beta_1: how much of the mean stays.
        beta_2: how much of the mean square stays.
        epsilon: added to the root of the mean square. Alias: eps.
        amsgrad: divide by the largest root so far.
        **shared: see Optimizer.

    Source: Kingma and Ba, "Adam: a method for stochastic optimization", 2015.

    Example:
        >>> Adam(betas=(0.8, 0.99)).beta_2
        0.99
    """

    learning_rate: Rate = 0.001
    beta_1: float = number(0.9, low=0, high=1)
    beta_2: float = number(0.999, low=0, high=1)
    epsilon: float = number(1e-7, low=0)
    amsgrad: bool = False

    def rule(self) -> Transform:
        return piece.scale_by_adam(self.beta_1, self.beta_2, self.epsilon, amsgrad=self.amsgrad)


@record("optimizer")
@dataclass(frozen=True)
class AdamW(Adam):
    """Adam with weight decay from the start (0.004).

    Args:
        learning_rate, beta_1, beta_2, epsilon, amsgrad: as in Adam.
        weight_decay: at each update every parameter loses learning_rate * weight_decay of itself.
        **shared: see Optimizer.

    Source: Loshchilov and Hutter, "Decoupled weight decay regularization", 2019.

    Example:
        >>> AdamW().weight_decay
        0.004
    """

    weight_decay: float | None = number(0.004, low=0, kw_only=True)


@record("optimizer")
class Adagrad(Optimizer):
    """Gradients over the root of the sum of all their squares.

    Args:
        learning_rate: a number, a schedule, or a function of the step.
        initial_accumulator_value: where the sum begins.
        epsilon: added to the sum.
        **shared: see Optimizer.

    Source: Duchi, Hazan and Singer, "Adaptive subgradient methods for online learning and stochastic
    optimization", 2011.

    Example:
        >>> Adagrad().initial_accumulator_value
        0.1
    """

    learning_rate: Rate = 0.001
    initial_accumulator_value: float = number(0.1, low=0)
    epsilon: float = number(1e-7, low=0)

    def rule(self) -> Transform:
        return chain(
            piece.scale_by_adagrad(self.initial_accumulator_value, self.epsilon),
            piece.scale_by_learning_rate(),
        )


@record("optimizer")
class Adadelta(Optimizer):
    """Steps in the unit of the parameters, from the sizes of late updates and late gradients.

    Args:
        learning_rate: a number, a schedule, or a function of the step; the paper's is 1.
        rho: how much of the mean squares stays.
        epsilon: added to them.
        **shared: see Optimizer.

    Source: Zeiler, "ADADELTA: an adaptive learning rate method", 2012.

    Example:
        >>> Adadelta(1.0).rho
        0.95
    """

    learning_rate: Rate = 0.001
    rho: float = number(0.95, low=0, high=1)
    epsilon: float = number(1e-7, low=0)

    def rule(self) -> Transform:
        return chain(piece.scale_by_adadelta(self.rho, self.epsilon), piece.scale_by_learning_rate())


@record("optimizer")
class Adamax(Optimizer):
    """Adam with the largest gradient of late in place of the root mean square.

    Args:
        learning_rate: a number, a schedule, or a function of the step.
        beta_1: how much of the mean stays.
        beta_2: how much of the largest gradient stays.
        epsilon: added to it.
        **shared: see Optimizer.

    Source: Kingma and Ba, "Adam: a method for stochastic optimization", 2015, section 7.1.

    Example:
        >>> Adamax().beta_2
        0.999
    """

    learning_rate: Rate = 0.001
    beta_1: float = number(0.9, low=0, high=1)
    beta_2: float = number(0.999, low=0, high=1)
    epsilon: float = number(1e-7, low=0)

    def rule(self) -> Transform:
        return piece.scale_by_adamax(self.beta_1, self.beta_2, self.epsilon)


@record("optimizer")
class Nadam(Optimizer):
    """Adam with Nesterov's momentum.

    Args:
        learning_rate: a number, a schedule, or a function of the step.
        beta_1: how much of the mean stays.
        beta_2: how much of the mean square stays.
        epsilon: added to the root of the mean square.
        **shared: see Optimizer.

    Source: Dozat, "Incorporating Nesterov momentum into Adam", 2016.

    Example:
        >>> Nadam().beta_1
        0.9
    """

    learning_rate: Rate = 0.001
    beta_1: float = number(0.9, low=0, high=1)
    beta_2: float = number(0.999, low=0, high=1)
    epsilon: float = number(1e-7, low=0)

    def rule(self) -> Transform:
        return piece.scale_by_nadam(self.beta_1, self.beta_2, self.epsilon)


@record("optimizer")
class Lion(Optimizer):
    """The sign of momentum: every element moves by the learning rate, so choose it 3 to 10 times smaller
    than Adam's.

    Args:
        learning_rate: a number, a schedule, or a function of the step.
        beta_1: weight of the momentum in the direction.
        beta_2: how much of the momentum stays.
        **shared: see Optimizer.

    Source: Chen et al., "Symbolic discovery of optimization algorithms", 2023.

    Example:
        >>> Lion().beta_2
        0.99
    """

    learning_rate: Rate = 0.001
    beta_1: float = number(0.9, low=0, high=1)
    beta_2: float = number(0.99, low=0, high=1)

    def rule(self) -> Transform:
        return chain(piece.scale_by_lion(self.beta_1, self.beta_2), piece.scale_by_learning_rate())


def get(identifier: Any) -> Optimizer:
    """An optimizer from a name, a configuration, or itself.

    Args:
        identifier: "adam", the dict of `to_config`, or an optimizer.

    Raises:
        UnknownNameError: nothing of that name; the message has the nearest.

    Example:
        >>> get("rmsprop").rho
        0.9
    """
    if isinstance(identifier, Optimizer):
        return identifier
    if isinstance(identifier, str):
        return find("optimizer", identifier)()  # type: ignore[no-any-return]
    if isinstance(identifier, dict):
        made = from_config(identifier)
        if isinstance(made, Optimizer):
            return made
    if isinstance(identifier, type) and issubclass(identifier, Optimizer):
        return identifier()
    raise ArgumentError(
        f"optimizer is {identifier!r}, expected a name or an optimizer",
        fix=f"use {', '.join(sorted(repr(k.lower()) for k in REGISTRY['optimizer']))}, or sl.optim.Adam(1e-3)",
    )


def register(cls: type) -> type:
    """Make an own optimizer or schedule known, so that models using it can be saved and loaded (a class
    decorator).

    Args:
        cls: a class derived from Optimizer or Schedule whose fields are annotated; it becomes a frozen
            dataclass.

    Example:
        >>> @register
        ... class Halving(Schedule):
        ...     start: float
        ...
        ...     def rate(self, t):
        ...         return self.start * 0.5**t
        >>> float(Halving(1.0)(3))
        0.125
    """
    if not issubclass(cls, (Optimizer, Schedule)):
        raise ArgumentError(f"sl.optim.register takes classes derived from Optimizer or Schedule, {cls.__name__} is not one")
    return record("optimizer" if issubclass(cls, Optimizer) else "schedule")(cls)  # type: ignore[no-any-return]
