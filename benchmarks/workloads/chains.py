"""chains: streaming work on 10 million float32 values, where memory traffic and vector math decide."""

from workloads.base import Case, Chain, Workload

OPERATIONS = ("gelu", "softmax", "layer_norm", "adam")

WORKLOAD = Workload(
    name="chains",
    title="gelu, softmax, layer norm (rows of 1000) and one Adam update on 10 million float32 values",
    groups=tuple((Case(f"10 M values, {operation}", Chain(operation)),) for operation in OPERATIONS),
    goal="2 times faster than PyTorch eager",
    against=("torch",),
    rounds=9,
    unit="call",
)
