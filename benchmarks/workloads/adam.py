"""The optimizer of every training workload."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Adam:
    """All settings stated; no system uses its own defaults."""

    learning_rate: float = 1e-3
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
