"""gemm: matrix products of shapes that networks make, square, thin, small and odd, on one and two threads."""

from workloads.base import Case, Product, Workload

SHAPES = [
    (1024, 1024, 1024),
    (128, 256, 784),
    (128, 256, 256),
    (2048, 1024, 256),
    (2048, 256, 1024),
    (64, 1024, 256),
    (3136, 64, 288),
    (100, 37, 53),
]


def case(m: int, n: int, k: int, threads: int) -> Case:
    name = f"gemm {m}x{n}x{k}, {threads} thread{'s' if threads > 1 else ''}"
    return Case(name, Product(m, n, k), ("saltus", "numpy", "torch"), threads, in_short=False)


WORKLOAD = Workload(
    name="gemm",
    title="Products (m, k) @ (k, n), float32, named m x n x k",
    groups=tuple((case(*shape, threads),) for threads in (1, 2) for shape in SHAPES),
    goal="1.0 or better in the geometric mean against the faster of NumPy and PyTorch, none under 0.8",
    rounds=9,
    unit="call",
)
