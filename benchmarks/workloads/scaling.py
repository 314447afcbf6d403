"""scaling: large training steps of saltus on two threads and on one."""

from workloads import cnn, generator, lstm, resnet, separable, transformer, vgg16
from workloads.base import Case, Workload

MODULES = (cnn, resnet, separable, lstm, transformer, generator, vgg16)


def case(module, threads: int) -> Case:
    name = f"scaling, {module.WORKLOAD.name}, {threads} thread{'s' if threads > 1 else ''}"
    return Case(name, module.STEP, ("saltus",), threads, checked=1, in_short=threads > 1)


WORKLOAD = Workload(
    name="scaling",
    title="Training steps of saltus on one and on two threads",
    groups=tuple((case(module, 1), case(module, 2)) for module in MODULES),
    goal="two threads 1.7 times faster than one",
    against=(),
    shows="scaling",
    rounds=7,
    seconds=5,
    together=True,
)
