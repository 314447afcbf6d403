"""Layer of optimizers. In: trees of gradients and parameters. Out: new parameters and state, as pure
functions.

Knows nothing of networks, losses or training loops.
"""

from __future__ import annotations

from saltus.base.elsewhere import missing as _missing
from saltus.optim.matrices import scale_by_adafactor, scale_by_lbfgs, scale_by_muon, scale_by_trust_ratio
from saltus.optim.optimizers import (
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    Adamax,
    AdamW,
    Lion,
    Nadam,
    Optimizer,
    RMSprop,
    get,
    register,
)
from saltus.optim.recipes import ASGD, LBFGS, Adafactor, Ftrl, Lamb, Muon, RAdam, Rprop, ScheduleFreeAdamW
from saltus.optim.record import from_config
from saltus.optim.rules import scale_by_asgd, scale_by_ftrl, scale_by_radam, scale_by_rprop, scale_by_schedule_free
from saltus.optim.schedules import (
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    CosineDecay,
    CosineDecayRestarts,
    CyclicLR,
    ExponentialDecay,
    ExponentialLR,
    InverseTimeDecay,
    LinearLR,
    MultiStepLR,
    OneCycleLR,
    PiecewiseConstantDecay,
    PolynomialDecay,
    PolynomialLR,
    Schedule,
    StepLR,
    Warmup,
)
from saltus.optim.transforms import (
    Moment,
    Transform,
    add_decayed_weights,
    chain,
    clip_by_global_norm,
    clip_by_norm,
    clip_by_value,
    scale_by_adadelta,
    scale_by_adagrad,
    scale_by_adam,
    scale_by_adamax,
    scale_by_learning_rate,
    scale_by_lion,
    scale_by_nadam,
    scale_by_rms,
    trace,
)

__all__ = [
    "ASGD", "LBFGS", "SGD", "Adadelta", "Adafactor", "Adagrad", "Adam", "AdamW", "Adamax",
    "CosineAnnealingLR", "CosineAnnealingWarmRestarts", "CosineDecay", "CosineDecayRestarts", "CyclicLR",
    "ExponentialDecay", "ExponentialLR", "Ftrl", "InverseTimeDecay", "Lamb", "LinearLR", "Lion", "Moment",
    "MultiStepLR", "Muon", "Nadam", "OneCycleLR", "Optimizer", "PiecewiseConstantDecay", "PolynomialDecay",
    "PolynomialLR", "RAdam", "RMSprop", "Rprop", "Schedule", "ScheduleFreeAdamW", "StepLR", "Transform",
    "Warmup", "add_decayed_weights", "chain", "clip_by_global_norm", "clip_by_norm", "clip_by_value",
    "from_config", "get", "register", "scale_by_adadelta", "scale_by_adafactor", "scale_by_adagrad",
    "scale_by_adam", "scale_by_adamax", "scale_by_asgd", "scale_by_ftrl", "scale_by_lbfgs",
    "scale_by_learning_rate", "scale_by_lion", "scale_by_muon", "scale_by_nadam", "scale_by_radam",
    "scale_by_rms", "scale_by_rprop", "scale_by_schedule_free", "scale_by_trust_ratio", "trace",
]  # fmt: skip


def __getattr__(name: str) -> object:
    raise _missing("saltus.optim", name)
