"""Sums of products by naming axes; above `products`.

Two operands at a time: axes that neither the other nor the result has are summed first, then what remains is one batched product of
matrices.
"""

from __future__ import annotations

from typing import Any

from saltus.base.errors import ArgumentError, ShapeError
from saltus.tensor.manipulation import permute_dims, reshape
from saltus.tensor.operands import as_tensor
from saltus.tensor.products import matmul
from saltus.tensor.reduction import sum
from saltus.tensor.tensor import Tensor
from saltus.tensor.tracing import here

_DOTS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[::-1]  # names for the axes of an ellipsis, from the end, where they are least used


def parsed(equation: str, ranks: list[int]) -> tuple[list[str], str]:
    """Names of the axes of each operand and of the result, an ellipsis spelled out.

    Raises:
        ArgumentError: the equation is no such thing, or has other operands.
    """
    text = equation.replace(" ", "")
    left, arrow, right = text.partition("->")
    terms = left.split(",")
    if len(terms) != len(ranks):
        raise ArgumentError(f"einsum: {equation!r} names {len(terms)} operands, but there are {len(ranks)}", site=here())
    used = set(text) - set(".,->")
    if not all(c.isalpha() and c.isascii() for c in used) or any(
        t.count("...") > 1 or "." in t.replace("...", "") for t in (*terms, right)
    ):
        raise ArgumentError(
            f"einsum: {equation!r} is not understood", site=here(), fix='write letters, such as "bij,bjk->bik", or "...i,ij->...j"'
        )
    free = [c for c in _DOTS if c not in used]
    rest = [rank - len(t.replace("...", "")) if "..." in t else 0 for t, rank in zip(terms, ranks, strict=True)]
    dots = "".join(reversed(free[: max([*rest, 0])]))
    made = [t.replace("...", dots[len(dots) - n :]) if n >= 0 else t for t, n in zip(terms, rest, strict=True)]
    for term, rank in zip(made, ranks, strict=True):
        if len(term) != rank or "." in term:
            raise ShapeError(f"einsum: {equation!r} names other axes than the {rank} that an operand has", site=here())
        if len(set(term)) != len(term):
            raise ArgumentError(
                f"einsum: an axis stands twice in one operand of {equation!r}", site=here(), fix="use sl.linalg.diagonal first"
            )
    every = "".join(made)
    result = right.replace("...", dots) if arrow else dots + "".join(sorted(c for c in set(every) if every.count(c) == 1 and c not in dots))
    if len(set(result)) != len(result) or not set(result) <= set(every):
        raise ArgumentError(f"einsum: the result of {equation!r} has an axis twice, or one that no operand has", site=here())
    return made, result


def _turned(x: Tensor, names: str, order: str) -> Tensor:
    return x if names == order else permute_dims(x, tuple(names.index(c) for c in order))


def _without(x: Tensor, names: str, kept: set[str]) -> tuple[Tensor, str]:
    """Sum over the axes that nobody needs."""
    gone = tuple(i for i, c in enumerate(names) if c not in kept)
    return (sum(x, axis=gone), "".join(c for c in names if c in kept)) if gone else (x, names)


def _pair(a: Tensor, first: str, b: Tensor, second: str, kept: set[str], sizes: dict[str, int]) -> tuple[Tensor, str]:
    """The product of two operands, summed over the axes that are not kept."""
    a, first = _without(a, first, kept | set(second))
    b, second = _without(b, second, kept | set(first))
    both = [c for c in first if c in second]
    batch, inner = [c for c in both if c in kept], [c for c in both if c not in kept]
    rows, columns = [c for c in first if c not in both], [c for c in second if c not in both]

    def shape(*groups: list[str]) -> tuple[int, ...]:
        made = []
        for group in groups:
            count = 1
            for c in group:
                count *= sizes[c]
            made.append(count)
        return tuple(made)

    lead = tuple(sizes[c] for c in batch)
    left = reshape(_turned(a, first, "".join(batch + rows + inner)), (*lead, *shape(rows, inner)))
    right = reshape(_turned(b, second, "".join(batch + inner + columns)), (*lead, *shape(inner, columns)))
    made = matmul(left, right)
    names = "".join(batch + rows + columns)
    return reshape(made, tuple(sizes[c] for c in names)), names


def einsum(equation: str, /, *operands: Any) -> Tensor:
    """Sum of products over named axes.

    Args:
        equation: the axes of each operand and, behind "->", those of the result: "bij,bjk->bik". Axes that the result does not name are
            summed. "..." stands for any axes, which match from the end. Without "->" the result has the axes named once, sorted.
        operands: Tensors; from the second on each is multiplied with what the ones before it gave.

    Returns:
        A Tensor with the axes of the result.

    Raises:
        ArgumentError, ShapeError: the equation or the shapes do not fit.

    Example:
        >>> import saltus as sl
        >>> a, b = sl.ones((2, 3, 4)), sl.ones((4, 5))
        >>> sl.einsum("...i,ij->...j", a, b).shape
        (2, 3, 5)
        >>> float(sl.einsum("ij->", sl.ones((2, 3))))
        6.0
    """
    if not isinstance(equation, str) or not operands:
        raise ArgumentError("einsum: the equation comes first, then the operands", site=here(), fix='sl.einsum("ij,jk->ik", a, b)')
    given = [as_tensor(x) for x in operands]
    terms, result = parsed(equation, [x.ndim for x in given])
    sizes: dict[str, int] = {}
    for x, names in zip(given, terms, strict=True):
        for c, n in zip(names, x.shape, strict=True):
            if sizes.setdefault(c, n) != n:
                raise ShapeError(
                    f"einsum {equation!r}: the axis {c!r} has {sizes[c]} elements in one operand and {n} in another "
                    f"(shapes {', '.join(str(g.shape) for g in given)})", site=here(),
                )  # fmt: skip
    made, own = given[0], terms[0]
    for place, (x, names) in enumerate(zip(given[1:], terms[1:], strict=True), 2):
        later = set("".join(terms[place:])) | set(result)
        made, own = _pair(made, own, x, names, later, sizes)
    made, own = _without(made, own, set(result))
    return _turned(made, own, result)
