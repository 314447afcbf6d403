"""Layer of optimizers. In: trees of gradients and parameters. Out: new parameters and state, as pure
functions.

Knows nothing of networks, losses or training loops.
"""

from __future__ import annotations

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
from saltus.optim.record import from_config
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
    "SGD", "Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts", "CosineDecay", "CosineDecayRestarts", "CyclicLR", "ExponentialDecay",
    "ExponentialLR", "InverseTimeDecay", "LinearLR", "Lion", "Moment", "MultiStepLR", "Nadam", "OneCycleLR",
    "Optimizer", "PiecewiseConstantDecay", "PolynomialDecay", "PolynomialLR", "RMSprop", "Schedule", "StepLR",
    "Transform", "Warmup", "add_decayed_weights", "chain", "clip_by_global_norm", "clip_by_norm",
    "clip_by_value", "from_config", "get", "register", "scale_by_adadelta", "scale_by_adagrad",
    "scale_by_adam", "scale_by_adamax", "scale_by_learning_rate", "scale_by_lion", "scale_by_nadam",
    "scale_by_rms", "trace",
]  # fmt: skip
