"""Further optimizers by name, as recipes of pieces from `rules` and `matrices`; names, arguments and defaults follow Keras, and
PyTorch where Keras has none.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from saltus.base.errors import ArgumentError
from saltus.optim import matrices, rules
from saltus.optim.optimizers import Optimizer, Rate
from saltus.optim.record import number, record, whole
from saltus.optim.transforms import Transform, Tree, add_decayed_weights, chain
from saltus.tensor.tensor import Tensor


@record("optimizer")
class RAdam(Optimizer):
    """Adam that begins like momentum and rectifies its variance as more is known of it; a warm-up without numbers to choose.

    Args:
        learning_rate: a number, a schedule, or a function of the step.
        beta_1: how much of the mean stays.
        beta_2: how much of the mean square stays.
        epsilon: added to the root of the mean square.
        **shared: see Optimizer.

    Source: Liu et al., "On the variance of the adaptive learning rate and beyond", 2020.

    Example:
        >>> RAdam().beta_2
        0.999
    """

    learning_rate: Rate = 0.001
    beta_1: float = number(0.9, low=0, high=1)
    beta_2: float = number(0.999, low=0, high=1)
    epsilon: float = number(1e-7, low=0)

    def rule(self) -> Transform:
        return rules.scale_by_radam(self.beta_1, self.beta_2, self.epsilon)


@record("optimizer")
class Rprop(Optimizer):
    """A step size for each number, which looks at the signs of gradients only. For whole data sets: batch_size="full".

    Args:
        learning_rate: the first step size of every number.
        etas: factors by which a step size shrinks when the sign turns and grows when it stays.
        step_sizes: the smallest and the largest step.
        **shared: see Optimizer.

    Source: Riedmiller and Braun, "A direct adaptive method for faster backpropagation learning: the RPROP algorithm", 1993.

    Example:
        >>> Rprop().etas
        (0.5, 1.2)
    """

    learning_rate: Rate = 0.01
    etas: tuple[float, float] = (0.5, 1.2)
    step_sizes: tuple[float, float] = (1e-6, 50.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, fits, words in (
            ("etas", lambda a, b: 0 < a < 1 < b, "a factor below 1 and one above"),
            ("step_sizes", lambda a, b: 0 <= a < b, "a smallest and a larger largest step"),
        ):
            given = getattr(self, name)
            pair = isinstance(given, (tuple, list)) and len(given) == 2
            if not pair or not all(isinstance(v, (int, float)) for v in given) or not fits(*given):
                raise ArgumentError(f"Rprop: {name} is {given!r}, expected {words}")
            object.__setattr__(self, name, tuple(float(v) for v in given))

    def rule(self) -> Transform:
        return rules.scale_by_rprop(*self.etas, *self.step_sizes)


@record("optimizer")
class ASGD(Optimizer):
    """Gradient descent with a falling rate, and the mean of the parameters along the way, which `fit` puts in their place at the
    end.

    Args:
        learning_rate: a number, a schedule, or a function of the step.
        lambd: how fast the rate falls, and by how much parameters decay.
        alpha: the power by which it falls.
        t0: updates before the averaging begins; until then the mean is the parameters. PyTorch's million is longer than most
            trainings: give about half of the updates.
        **shared: see Optimizer.

    Source: Polyak and Juditsky, "Acceleration of stochastic approximation by averaging", 1992.

    Example:
        >>> ASGD(t0=500).alpha
        0.75
    """

    learning_rate: Rate = 0.01
    lambd: float = number(1e-4, low=0)
    alpha: float = number(0.75, low=0)
    t0: float = number(1e6, low=0)

    def rule(self) -> Transform:
        return rules.scale_by_asgd(self.lambd, self.alpha, self.t0)

    def averaged(self, state: dict[str, Any]) -> Tree | None:
        return super().averaged(state) or _own(self, state)["average"]


@record("optimizer")
class Ftrl(Optimizer):
    """Follow the regularized leader: for wide, sparse inputs; with l1 many weights become exactly 0.

    Args:
        learning_rate: a number, a schedule, or a function of the step.
        learning_rate_power: from the sum of squares to the rate; at most 0, and 0 for a rate that stays.
        initial_accumulator_value: where the sum of squares begins.
        l1_regularization_strength: pull towards 0 that does not depend on the size.
        l2_regularization_strength: pull towards 0 that grows with it.
        l2_shrinkage_regularization_strength: the same for the gradient only.
        beta: added to the root of the sum of squares.
        **shared: see Optimizer.

    Source: McMahan et al., "Ad click prediction: a view from the trenches", 2013.

    Example:
        >>> Ftrl(0.1, l1_regularization_strength=0.01).learning_rate_power
        -0.5
    """

    learning_rate: Rate = 0.001
    learning_rate_power: float = -0.5
    initial_accumulator_value: float = number(0.1, low=0)
    l1_regularization_strength: float = number(0.0, low=0)
    l2_regularization_strength: float = number(0.0, low=0)
    l2_shrinkage_regularization_strength: float = number(0.0, low=0)
    beta: float = number(0.0, low=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.learning_rate_power, (int, float)) or self.learning_rate_power > 0:
            raise ArgumentError(f"Ftrl: learning_rate_power is {self.learning_rate_power!r}, expected a number of at most 0")

    def rule(self) -> Transform:
        return rules.scale_by_ftrl(
            self.learning_rate_power, self.initial_accumulator_value, self.l1_regularization_strength,
            self.l2_regularization_strength, self.l2_shrinkage_regularization_strength, self.beta,
        )  # fmt: skip


@record("optimizer")
class ScheduleFreeAdamW(Optimizer):
    """AdamW that needs no schedule: it averages as it goes, so that it is ready whenever the training ends. `fit` puts the
    average in place of the parameters then.

    Args:
        learning_rate: a number, a schedule, or a function of the step.
        beta_1: where gradients are taken, from the fast copy (0) to the average (1).
        beta_2: how much of the mean square stays.
        epsilon: added to the root of the mean square.
        warmup_steps: updates over which the rate rises from 0.
        **shared: see Optimizer.

    Source: Defazio et al., "The road less scheduled", 2024.

    Example:
        >>> ScheduleFreeAdamW(warmup_steps=100).learning_rate
        0.0025
    """

    learning_rate: Rate = 0.0025
    beta_1: float = number(0.9, low=0, high=1)
    beta_2: float = number(0.999, low=0, high=1)
    epsilon: float = number(1e-8, low=0)
    warmup_steps: int = whole(0, low=0)

    def rule(self) -> Transform:
        return rules.scale_by_schedule_free(self.beta_1, self.beta_2, self.epsilon, self.warmup_steps)

    def averaged(self, state: dict[str, Any]) -> Tree | None:
        return super().averaged(state) or _own(self, state)["average"]


def _own(optimizer: Optimizer, state: dict[str, Any]) -> Any:
    """The state of an optimizer's rule, which stands behind that of the clipping."""
    clipped = any(v is not None for v in (optimizer.clipnorm, optimizer.clipvalue, optimizer.global_clipnorm))
    return state["rule"][int(clipped)]


@record("optimizer")
class Adafactor(Optimizer):
    """Adam's steps for a small part of its memory: the mean squares of a matrix are kept as one number a row and one a column.

    Steps go with the size of the parameter, so the learning rate is a share of it.

    Args:
        learning_rate: a number, a schedule, or a function of the step.
        beta_2_decay: power of the step by which the newest squares count.
        epsilon_1: added to the squares.
        epsilon_2: smallest size a parameter is taken to have.
        clip_threshold: updates whose root mean square is larger are scaled down to it.
        relative_step: let the rate be at most 1 / sqrt(step). (Keras does so in any case.)
        **shared: see Optimizer.

    Source: Shazeer and Stern, "Adafactor: adaptive learning rates with sublinear memory cost", 2018.

    Example:
        >>> import saltus as sl
        >>> from saltus.base import tree
        >>> sum(leaf.size for leaf in tree.leaves(Adafactor().init({"w": sl.zeros((100, 200))})["rule"]))
        300
    """

    learning_rate: Rate = 0.001
    beta_2_decay: float = number(-0.8, high=0)
    epsilon_1: float = number(1e-30, low=0)
    epsilon_2: float = number(1e-3, low=0)
    clip_threshold: float = number(1.0, above=0)
    relative_step: bool = True

    def rule(self) -> Transform:
        return matrices.scale_by_adafactor(self.beta_2_decay, self.epsilon_1, self.epsilon_2, self.clip_threshold, self.relative_step)


@record("optimizer")
class Lamb(Optimizer):
    """Adam whose update of each parameter gets that parameter's norm: for very large batches.

    Args:
        learning_rate: a number, a schedule, or a function of the step.
        beta_1: how much of the mean stays.
        beta_2: how much of the mean square stays.
        epsilon: added to the root of the mean square.
        weight_decay: this share of the parameter goes into the update before its norm is taken, as in the paper. (Keras takes
            it off beside the update.)
        **shared: see Optimizer.

    Source: You et al., "Large batch optimization for deep learning: training BERT in 76 minutes", 2020.

    Example:
        >>> Lamb(weight_decay=0.01).epsilon
        1e-07
    """

    learning_rate: Rate = 0.001
    beta_1: float = number(0.9, low=0, high=1)
    beta_2: float = number(0.999, low=0, high=1)
    epsilon: float = number(1e-7, low=0)

    def rule(self) -> Transform:
        decays = isinstance(self.weight_decay, Tensor) or bool(self.weight_decay)
        inside = [matrices.add_parameters(self.weight_decay, self.exclude_from_weight_decay)] if decays else []  # type: ignore[arg-type]
        return chain(matrices.adam_direction(self.beta_1, self.beta_2, self.epsilon), *inside, matrices.scale_by_trust_ratio())

    def decay(self) -> list[Transform]:
        return []


@record("optimizer")
@dataclass(frozen=True)
class Muon(Optimizer):
    """Momentum with orthogonal updates for the matrices inside a network, Adam for everything else.

    Name the last layer in `exclude_layers`; it does better with Adam.

    Args:
        learning_rate: a number, a schedule, or a function of the step.
        adam_beta_1, adam_beta_2, epsilon: for Adam.
        adam_weight_decay: weight decay of the parameters that Adam moves.
        weight_decay: of the others.
        exclude_layers: parameters whose path contains one of these texts are Adam's.
        exclude_embeddings: so are those whose path contains "embedding" or "table_input".
        muon_a, muon_b, muon_c: factors of the iteration that makes updates orthogonal.
        adam_lr_ratio: Adam's learning rate over this one.
        momentum: how much of the last update goes on.
        ns_steps: rounds of the iteration.
        nesterov: look one step ahead.
        rms_rate: updates are scaled by this and the root of the longer side, so that rates of Adam fit; None: they are not.
        **shared: see Optimizer.

    Source: Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024; Liu et al., "Muon is scalable for LLM
    training", 2025.

    Example:
        >>> Muon(exclude_layers=("head",)).momentum
        0.95
    """

    learning_rate: Rate = 0.001
    adam_beta_1: float = number(0.9, low=0, high=1)
    adam_beta_2: float = number(0.999, low=0, high=1)
    adam_weight_decay: float | None = number(0.004, low=0)
    epsilon: float = number(1e-7, low=0)
    weight_decay: float | None = number(0.004, low=0, kw_only=True)
    exclude_layers: tuple[str, ...] = field(default=(), kw_only=True)
    exclude_embeddings: bool = field(default=True, kw_only=True)
    muon_a: float = number(3.4445, kw_only=True)
    muon_b: float = number(-4.7750, kw_only=True)
    muon_c: float = number(2.0315, kw_only=True)
    adam_lr_ratio: float = number(1.0, low=0, kw_only=True)
    momentum: float = number(0.95, low=0, high=1, kw_only=True)
    ns_steps: int = whole(5, kw_only=True)
    nesterov: bool = field(default=True, kw_only=True)
    rms_rate: float | None = number(0.2, above=0, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.exclude_layers, str):
            raise ArgumentError(
                f"Muon: exclude_layers is {self.exclude_layers!r}, expected several texts", fix=f"write ({self.exclude_layers!r},)"
            )
        object.__setattr__(self, "exclude_layers", tuple(self.exclude_layers))

    def chosen(self, path: str, parameter: Any) -> bool:
        """Whether a parameter's updates are made orthogonal."""
        embeds = self.exclude_embeddings and any(text in path.lower() for text in ("embedding", "table_input"))
        return parameter.ndim == 2 and not embeds and not any(text in path for text in self.exclude_layers)

    def rule(self) -> Transform:
        factors = (self.muon_a, self.muon_b, self.muon_c)
        inside = matrices.scale_by_muon(self.momentum, self.nesterov, self.ns_steps, factors, self.rms_rate)
        return matrices.adam_for_the_rest(self.chosen, inside, self.adam_beta_1, self.adam_beta_2, self.epsilon, self.adam_lr_ratio)

    def decay(self) -> list[Transform]:
        def rest(path: str, parameter: Any) -> bool:
            return not self.chosen(path, parameter)

        made = []
        for strength, meant in ((self.weight_decay, self.chosen), (self.adam_weight_decay, rest)):
            if isinstance(strength, Tensor) or strength:
                made.append(add_decayed_weights(strength, self.exclude_from_weight_decay, meant))  # type: ignore[arg-type]
        return made


@record("optimizer")
class LBFGS(Optimizer):
    """Steps towards where Newton's method would go, from the last changes of the gradient. For whole data sets and smooth losses:
    batch_size="full".

    One update uses one gradient; there is no search along the line, as in PyTorch's default.

    Args:
        learning_rate: the length of a step, 1 for the whole way.
        history_size: changes that are remembered; each takes the memory of two copies of the parameters. (PyTorch: 100.)
        **shared: see Optimizer.

    Source: Liu and Nocedal, "On the limited memory BFGS method for large scale optimization", 1989.

    Example:
        >>> LBFGS().history_size
        10
    """

    learning_rate: Rate = 1.0
    history_size: int = whole(10)

    def rule(self) -> Transform:
        return matrices.scale_by_lbfgs(int(self.history_size))


__all__ = ["ASGD", "LBFGS", "Adafactor", "Ftrl", "Lamb", "Muon", "RAdam", "Rprop", "ScheduleFreeAdamW"]
