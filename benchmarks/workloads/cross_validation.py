"""cross_validation: five folds of a network on Adult, beside scikit-learn."""

from workloads.base import Case, Workload
from workloads.jobs import CrossValidation

WORKLOAD = Workload(
    name="cross_validation",
    title="Five-fold cross-validation of a network 107-100-2 on Adult, ten epochs each (generated rows without `make results`)",
    groups=((Case("cross_validation", CrossValidation(), ("saltus", "sklearn"), checked=1, within=0.01),),),
    goal="3 times faster than cross_val_score(MLPClassifier, n_jobs=2) at the same accuracy",
    against=("sklearn",),
    rounds=5,
    unit="job",
)
