"""Layer of networks. In: Tensors. Out: layers, networks, losses, metrics as frozen records; parameters as
plain trees. Knows no training.
"""

from saltus.nn import activations, constraints, initializers, losses, metrics, regularizers
from saltus.nn.config import from_config, register, to_config
from saltus.nn.containers import Sequential
from saltus.nn.core import (
    Activation,
    ActivityRegularization,
    Dense,
    Flatten,
    Identity,
    Lambda,
    Permute,
    RepeatVector,
    Rescaling,
    Reshape,
)
from saltus.nn.graph import Input, Network
from saltus.nn.layer import Layer, Spec
from saltus.nn.module import Applied, Description, Variables, apply, describe, init
from saltus.nn.noise import Dropout, GaussianDropout, GaussianNoise
from saltus.nn.scope import Scope

__all__ = [
    "Activation", "ActivityRegularization", "Applied", "Dense", "Description", "Dropout", "Flatten", "GaussianDropout", "GaussianNoise",
    "Identity", "Input", "Lambda", "Layer", "Network", "Permute", "RepeatVector", "Rescaling", "Reshape", "Scope", "Sequential", "Spec",
    "Variables", "activations", "apply", "constraints", "describe", "from_config", "init", "initializers", "losses", "metrics", "register",
    "regularizers", "to_config",
]  # fmt: skip
