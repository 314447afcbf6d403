"""input_share: an epoch of a CNN on images in memory, and what it costs only to bring the batches."""

from workloads.base import Case, Workload
from workloads.jobs import Images


def case(name: str, work: Images) -> Case:
    return Case(name, work, ("saltus",), checked=1)


WORKLOAD = Workload(
    name="input_share",
    title="An epoch of the CNN on 3,200 images in memory, batch 128, and its input alone: shuffled, gathered (and changed)",
    groups=(
        (case("epoch of the CNN", Images(whole=True)), case("its input alone", Images(whole=False))),
        (
            case("epoch of the CNN, augmented", Images(whole=True, augmented=True)),
            case("its input alone, augmented", Images(whole=False, augmented=True)),
        ),
    ),
    goal="the input under a tenth of the epoch: 10 or more",
    against=(),
    shows="share",
    rounds=7,
    unit="epoch",
)
