"""Layers that make one Tensor of several. In: layer. Used by the containers, and on symbols: nn.Add()([x,
y]).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY
from functools import reduce
from typing import Any, ClassVar

from saltus.base.errors import ShapeError
from saltus.nn.config import register
from saltus.nn.layer import Layer
from saltus.nn.losses.regression import cosine
from saltus.nn.scope import Scope
from saltus.tensor.elementwise import add, maximum, minimum, multiply, subtract
from saltus.tensor.manipulation import concat
from saltus.tensor.operands import as_tensor, one_axis
from saltus.tensor.reduction import sum
from saltus.tensor.tensor import Tensor
from saltus.tensor.tracing import here


def _several(name: str, inputs: Sequence[Any], least: int = 1) -> list[Tensor]:
    """The inputs of a merge, given one by one or as a list."""
    given = inputs[0] if len(inputs) == 1 and isinstance(inputs[0], (list, tuple)) else inputs
    made = [as_tensor(v) for v in given]
    if len(made) < least:
        raise ShapeError(
            f"{name} needs at least {least} inputs, got {len(made)}",
            site=here(),
            fix=f"pass a list: nn.{name}()([x, y])",
        )
    return made


def _equal(name: str, tensors: Sequence[Tensor]) -> None:
    shapes = [t.shape for t in tensors]
    if any(s != shapes[0] for s in shapes):
        raise ShapeError(
            f"{name}: the inputs have the shapes {', '.join(map(str, shapes))}; they must be equal",
            site=here(),
            fix="bring them to one width with Dense layers",
        )


class _Merge(Layer):
    """Base of merges of equal shapes."""

    keeps_steps: ClassVar = True
    combine: ClassVar[Callable[[Any, Any], Tensor]]

    def call(self, scope: Scope, *inputs: Any) -> Tensor:
        tensors = _several(type(self).__name__, inputs)
        _equal(type(self).__name__, tensors)
        return reduce(type(self).combine, tensors)


@register
class Add(_Merge):
    """The sum of inputs of one shape.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> nn.apply(nn.Add(), {}, {}, sl.asarray([[1.0, 5.0]]), sl.asarray([[3.0, 2.0]])).output.tolist()
        [[4.0, 7.0]]
    """

    combine: ClassVar = staticmethod(add)


@register
class Multiply(_Merge):
    """The product of inputs of one shape, element by element.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> nn.apply(nn.Multiply(), {}, {}, sl.asarray([[1.0, 5.0]]), sl.asarray([[3.0, 2.0]])).output.tolist()
        [[3.0, 10.0]]
    """

    combine: ClassVar = staticmethod(multiply)


@register
class Maximum(_Merge):
    """The largest of inputs of one shape, element by element.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> nn.apply(nn.Maximum(), {}, {}, sl.asarray([[1.0, 5.0]]), sl.asarray([[3.0, 2.0]])).output.tolist()
        [[3.0, 5.0]]
    """

    combine: ClassVar = staticmethod(maximum)


@register
class Minimum(_Merge):
    """The smallest of inputs of one shape, element by element.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> nn.apply(nn.Minimum(), {}, {}, sl.asarray([[1.0, 5.0]]), sl.asarray([[3.0, 2.0]])).output.tolist()
        [[1.0, 2.0]]
    """

    combine: ClassVar = staticmethod(minimum)


@register
class Average(_Merge):
    """The mean of inputs of one shape, element by element.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> nn.apply(nn.Average(), {}, {}, sl.asarray([[1.0, 5.0]]), sl.asarray([[3.0, 2.0]])).output.tolist()
        [[2.0, 3.5]]
    """

    combine: ClassVar = staticmethod(add)

    def call(self, scope: Scope, *inputs: Any) -> Tensor:
        return _Merge.call(self, scope, *inputs) * (1 / len(_several("Average", inputs)))


@register
class Subtract(Layer):
    """The first of two inputs less the second.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> nn.apply(nn.Subtract(), {}, {}, sl.asarray([[1.0, 5.0]]), sl.asarray([[3.0, 2.0]])).output.tolist()
        [[-2.0, 3.0]]
    """

    keeps_steps: ClassVar = True

    def call(self, scope: Scope, *inputs: Any) -> Tensor:
        tensors = _several("Subtract", inputs, 2)
        if len(tensors) != 2:
            raise ShapeError(f"Subtract takes two inputs, got {len(tensors)}", site=here())
        _equal("Subtract", tensors)
        return subtract(*tensors)


@register(aliases=("concat",))
class Concatenate(Layer):
    """The inputs one after the other along an axis.

    Args:
        axis: the axis; the inputs may differ in its length only.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> nn.apply(nn.Concatenate(), {}, {}, sl.zeros((2, 3)), sl.ones((2, 1))).output.shape
        (2, 4)
    """

    axis: int = -1

    def call(self, scope: Scope, *inputs: Any) -> Tensor:
        tensors = _several("Concatenate", inputs)
        place = one_axis("Concatenate", self.axis, tensors[0].ndim)
        rests = [(*t.shape[:place], *t.shape[place + 1 :]) for t in tensors]
        if any(t.ndim != tensors[0].ndim for t in tensors) or any(r != rests[0] for r in rests):
            raise ShapeError(
                f"Concatenate: the inputs have the shapes {', '.join(str(t.shape) for t in tensors)}; "
                f"they may differ along axis {self.axis} only",
                site=here(),
                fix="bring them to the same number of axes with nn.Flatten or nn.Reshape",
            )
        return concat(tensors, axis=place) if len(tensors) > 1 else tensors[0]


@register
class Dot(Layer):
    """The scalar product of two inputs along an axis, or the cosine of their angle.

    Args:
        axes: the axis of the vectors.
        normalize: give the cosine.

    Returns:
        `call` takes two inputs (N, ..., features) and returns (N, ..., 1).

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> nn.apply(nn.Dot(), {}, {}, sl.asarray([[1.0, 5.0]]), sl.asarray([[3.0, 2.0]])).output.tolist()
        [[13.0]]
    """

    axes: int = -1
    _: KW_ONLY
    normalize: bool = False

    def call(self, scope: Scope, *inputs: Any) -> Tensor:
        tensors = _several("Dot", inputs, 2)
        if len(tensors) != 2:
            raise ShapeError(f"Dot takes two inputs, got {len(tensors)}", site=here())
        _equal("Dot", tensors)
        a, b = tensors
        place = one_axis("Dot", self.axes, a.ndim)
        made = cosine(a, b, place) if self.normalize else sum(a * b, axis=place)
        return made[..., None]


# The words of Parallel and Residual.
MERGES: dict[str, Layer] = {
    "add": Add(), "average": Average(), "concat": Concatenate(), "maximum": Maximum(), "minimum": Minimum(), "multiply": Multiply(),
    "subtract": Subtract(),
}  # fmt: skip
