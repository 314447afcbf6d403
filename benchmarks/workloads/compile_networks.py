"""compile_networks: first steps of networks of convolutions, with an empty and a filled cache."""

from workloads import cnn, resnet, vgg16
from workloads.base import Case, Workload

SYSTEMS = {
    cnn: ("saltus", "torch.compile", "tensorflow", "jax"),
    resnet: ("saltus", "jax"),
    vgg16: ("saltus", "jax"),
}

WORKLOAD = Workload(
    name="compile_networks",
    title="First training step of three networks in a new process after import, cold and from a cache on disk",
    groups=tuple((Case(f"compile, {m.WORKLOAD.name}", m.STEP, systems),) for m, systems in SYSTEMS.items()),
    goal="compiling: cold under 1 s, 3 s and 6 s; from the cache under 0.2 s",
    against=("torch.compile", "tensorflow", "jax"),
    shows="first step",
    rounds=3,
    seconds=10,
)
