"""What a layer is: a frozen record with a method `call`; and symbols, from which `graph` builds networks.
In: config. Used by `scope`.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from saltus.base import dtypes as dt
from saltus.base import tree
from saltus.base.errors import ArgumentError
from saltus.nn.config import Record
from saltus.tensor.tracing import here

if TYPE_CHECKING:
    from saltus.nn.scope import Scope

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Spec:
    """The shape and element type of an array that is not there yet.

    Args:
        shape: lengths, the batch first.
        dtype: element type.

    Example:
        >>> from saltus import nn
        >>> nn.Spec((1, 4))
        Spec(shape=(1, 4), dtype='float32')
    """

    shape: Shape
    dtype: Any = "float32"

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", tuple(int(n) for n in self.shape))
        object.__setattr__(self, "dtype", dt.as_dtype(self.dtype).name)


@dataclass(frozen=True, repr=False)
class Layer(Record):
    """Base of all layers: a frozen record with a method `call`; derive from it, name the fields, and put
    @nn.register above.

    Args:
        name: part of the paths of its parameters; None takes the class's name, counted where it comes again.
        trainable: False keeps its parameters (and those of the layers inside it) as they are during training.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> @nn.register
        ... class Shift(nn.Layer):
        ...     start: float = 0.0
        ...
        ...     def call(self, scope, x):
        ...         return x + scope.param("shift", (x.shape[-1],), nn.initializers.Constant(self.start))
        >>> variables = nn.init(Shift(2.0), sl.zeros((1, 3)), key=sl.random.key(0))
        >>> variables.params["shift"]
        Tensor([2., 2., 2.], shape=(3,), dtype=float32)
    """

    kind: ClassVar[str] = "layers"
    passes_on: ClassVar[bool] = False  # for "auto" initializers: whether the activation after it counts for the layer before it
    keeps_steps: ClassVar[bool] = False  # for sequences: whether result [n, t] belongs to input [n, t], so that a mask of steps stays valid
    name: str | None = field(default=None, kw_only=True)
    trainable: bool = field(default=True, kw_only=True)

    def call(self, scope: Scope, *inputs: Any) -> Any:
        """Compute the layer's result; to be written by each layer.

        Args:
            scope: gives parameters, state and random keys, and runs layers inside this one.
            inputs: Tensors.

        Returns:
            A Tensor, or a tuple or dict of Tensors.
        """
        raise ArgumentError(
            f"{type(self).__name__} has no method call(self, scope, *inputs)",
            fix="write one; it returns the layer's result",
        )

    @property
    def results(self) -> int:
        """How many results `call` returns: 1, or the length of the tuple."""
        return 1

    @property
    def following(self) -> str | None:
        """The activation applied to what its parameters make, for initializers that choose by it; None when
        it applies none.
        """
        return None

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        """Apply the layer to symbols from `nn.Input`, for `nn.Network(inputs, outputs)`."""
        if named:
            word = next(iter(named))
            fix = {
                "mask": "masks are passed on by themselves, from nn.Masking and nn.Embedding(mask_zero=True)",
                "training": "whether the network is trained is said where it runs: fit, predict, nn.apply(..., training=True)",
            }.get(word, "inputs of layers have no names: layer(x, h, c)")
            raise ArgumentError(f"{type(self).__name__} was called with {word}=", site=here(), fix=fix)
        given = tree.leaves(list(inputs))
        if not given or not all(isinstance(v, Symbol) for v in given):
            what = next((type(v).__name__ for v in given if not isinstance(v, Symbol)), "nothing")
            raise ArgumentError(
                f"{type(self).__name__} was called with {what}, but a layer is configuration only and holds no parameters",
                site=here(),
                fix="build a network on symbols from nn.Input(shape), or run one on data: variables = nn.init(layer, x, key=...), "
                "nn.apply(layer, *variables, x); inside another layer's call: scope.run(layer, x)",
            )
        made = tuple(Symbol(self, inputs, part, object()) for part in range(self.results))
        if self.results == 1:
            return made[0]
        shared = made[0].call
        return tuple(dataclasses.replace(m, call=shared) for m in made)


@dataclass(frozen=True, eq=False)
class Symbol:
    """A value in a network under construction: the result of a layer on other symbols.

    Attributes:
        layer: what computes it.
        inputs: symbols it is computed from.
        part: which result of the layer it is.
        call: the same object for all results of one call.
    """

    layer: Layer
    inputs: tuple[Any, ...]
    part: int
    call: object

    def __repr__(self) -> str:
        return f"<result of {self.layer!r}>"

    def _no_arithmetic(self, other: Any) -> Any:
        raise ArgumentError(
            f"{self!r} is no Tensor yet: there is nothing to compute with", site=here(),
            fix="nn.Add()([a, b]), nn.Multiply()([a, b]) and kin for two results, nn.Lambda(function)(a) for anything else",
        )  # fmt: skip

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = __matmul__ = _no_arithmetic

    def __getattr__(self, name: str) -> Any:
        if name in ("shape", "dtype", "ndim"):
            raise AttributeError(f"a result of a layer has no {name!r} yet; nn.describe(network).output has, when the network is made")
        raise AttributeError(f"a result of a layer has no {name!r}")


class Declared:
    """A network that knows the shapes of its inputs by itself."""

    def specs(self) -> tuple[Spec, ...]:
        """One Spec an input, with a batch of 1; empty when they are not known."""
        return ()
