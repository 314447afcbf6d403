"""What a layer's `call` is handed: a way to its parameters, state and random keys, creating them or looking
them up. In: layer.
"""

from __future__ import annotations

import functools
import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from saltus.base import dtypes as dt
from saltus.base import tree
from saltus.base.dtypes import DType
from saltus.base.errors import ArgumentError, DTypeError, SaltusError, ShapeError
from saltus.ir.spec import OPS
from saltus.nn import initializers
from saltus.nn.config import snake
from saltus.nn.constraints import Constraint
from saltus.nn.layer import Layer, Shape, Spec
from saltus.nn.regularizers import Regularizer
from saltus.tensor import random
from saltus.tensor.elementwise import logical_and
from saltus.tensor.operands import as_tensor
from saltus.tensor.tensor import Tensor, of_node
from saltus.tensor.tracing import here

Path = tuple[str, ...]


@dataclass(frozen=True)
class Parameter:
    """One parameter of a network.

    Attributes:
        path: "dense_1/kernel".
        shape, dtype: of the array.
        trainable: whether training changes it.
        regularizer, constraint: records, or None.
        count: its number of elements.
    """

    path: str
    shape: Shape
    dtype: str
    trainable: bool
    regularizer: Regularizer | None
    constraint: Constraint | None

    @property
    def count(self) -> int:
        n = 1
        for d in self.shape:
            n *= d
        return n


@dataclass(frozen=True)
class LayerUse:
    """One call of a layer in a network.

    Attributes:
        path: "block/dense_1"; "" for the network itself.
        layer: the layer.
        output: tree of Specs of its results.
        count: elements of its own parameters, without those of layers inside it.
        trainable: whether training changes it; False also where a layer around it is frozen.
    """

    path: str
    layer: Layer
    output: Any
    count: int
    trainable: bool = True


class Run:
    """One pass through a network: what all its scopes share."""

    def __init__(
        self,
        *,
        params: dict[Path, Tensor] | None,
        state: dict[Path, Tensor],
        key: Any,
        training: bool,
        dtype: DType,
    ) -> None:
        self.making = params is None
        self.params: dict[Path, Tensor] = params or {}
        self.state, self.key, self.training, self.dtype = state, key, training, dtype
        self.losses: list[Tensor] = []
        self.calls: Counter[Path] = Counter()
        self.regularized: set[Path] = set()
        self.parameters: dict[Path, Parameter] = {}
        self.layers: list[LayerUse] = []
        self.values: list[tuple[list[Tensor], list[Tensor]]] = []  # inputs and results of each of them
        self.masks: dict[int, tuple[Tensor, Tensor]] = {}  # id of a value -> (the value, its mask): the value is held, so its id is its own

    def fold(self, words: str) -> Tensor:
        """The key of a place, the same for the same words in every run."""
        digest = hashlib.blake2b(words.encode(), digest_size=8).digest()
        return random.fold_in(self.key, int.from_bytes(digest, "little") >> 1)


class Scope:
    """What a layer's `call` works with: parameters, state, random keys, and layers inside it.

    Attributes:
        training: whether the network is being trained (dropout on, batch statistics).
        trainable: whether training changes this layer's parameters; False also where a layer around it is
            frozen.
        dtype: the type parameters have and `cast` converts to.
        following: name of the activation that follows this layer, or None.
        path: "block/dense_1".
    """

    __slots__ = ("_drawn", "_names", "_own", "_path", "_run", "_seen", "following", "layer", "trainable")

    def __init__(self, run: Run, path: Path, layer: Layer, *, trainable: bool = True, following: str | None = None) -> None:
        self._run, self._path, self.layer = run, path, layer
        self.trainable, self.following = trainable and layer.trainable, following
        self._begin()

    def _begin(self) -> None:
        self._names: dict[str, int] = {}  # names given inside, and how often each has been counted on
        self._seen: set[str] = set()
        self._drawn = self._own = 0

    @property
    def training(self) -> bool:
        return self._run.training

    @property
    def dtype(self) -> DType:
        return self._run.dtype

    @property
    def path(self) -> str:
        return "/".join(self._path)

    def cast(self, x: Any) -> Tensor:
        """x in the type of the parameters."""
        tensor = as_tensor(x)
        return tensor if tensor.dtype is self.dtype else tensor.astype(self.dtype)

    def param(
        self,
        name: str,
        shape: Sequence[int],
        initializer: Any = "glorot_uniform",
        *,
        dtype: Any = None,
        regularizer: Regularizer | None = None,
        constraint: Constraint | None = None,
        trainable: bool = True,
    ) -> Tensor:
        """A parameter of this layer.

        Args:
            name: unique in the layer.
            shape: its lengths, worked out from the inputs.
            initializer: a name, an Initializer, or a function (key, shape, dtype) -> Tensor.
            dtype: element type; None takes the network's.
            regularizer, constraint: for its values.
            trainable: False for a parameter that training must not change.

        Raises:
            ShapeError: the parameters given to `apply` have another shape there.
        """
        run, path, shape = self._run, (*self._path, name), tuple(int(n) for n in shape)
        self._fresh(name)
        wanted = dt.as_dtype(dtype) if dtype is not None else run.dtype
        value = run.params.get(path)
        if run.making and value is None:
            value = run.params[path] = self._make(name, shape, initializer, wanted)
            changes = trainable and self.trainable
            run.parameters[path] = Parameter("/".join(path), shape, wanted.name, changes, regularizer, constraint)
            self._own += run.parameters[path].count
        if value is None:
            inside = ["/".join(p) for p in run.params if p[: len(self._path)] == self._path] or ["/".join(p) for p in run.params]
            raise ArgumentError(
                f"there is no parameter {'/'.join(path)!r} among those given to nn.apply", site=here(),
                fix=f"they were made for another network; there are: {', '.join(inside[:12]) or 'none'}",
            )  # fmt: skip
        if value.shape != shape:
            raise ShapeError(
                f"the parameter {'/'.join(path)!r} has the shape {value.shape}, but this input needs {shape}", site=here(),
                fix="give inputs of the width the network was initialised for, or call nn.init again",
            )  # fmt: skip
        if regularizer is not None and trainable and self.trainable and path not in run.regularized:
            run.regularized.add(path)
            run.losses.append(regularizer(value))
        return value

    def _make(self, name: str, shape: Shape, initializer: Any, dtype: DType) -> Tensor:
        how = initializers.get(initializer, f"initializer of {name!r}")
        if isinstance(how, initializers.Auto):
            how = how.chosen(self.layer.following or self.following)
        value = as_tensor(how(self._run.fold("/".join((*self._path, name))), shape, dtype))
        if value.shape != shape:
            raise ShapeError(f"the initializer {how!r} made the shape {value.shape} for {name!r}, expected {shape}")
        return value if value.dtype is dtype else value.astype(dtype)

    def state(self, name: str, shape: Sequence[int], initializer: Any = "zeros", *, dtype: Any = None) -> Tensor:
        """A value that the layer changes itself with `set_state` while training: a moving average, a count.

        Args:
            name: unique in the layer.
            shape: its lengths.
            initializer: as for `param`.
            dtype: element type; None takes the network's.
        """
        run, path, shape = self._run, (*self._path, name), tuple(int(n) for n in shape)
        self._fresh(name)
        value = run.state.get(path)
        if value is None and run.making:
            value = run.state[path] = self._make(name, shape, initializer, dt.as_dtype(dtype) if dtype is not None else run.dtype)
        if value is None:
            raise ArgumentError(
                f"there is no state {'/'.join(path)!r} among that given to nn.apply",
                site=here(),
                fix="pass the state that nn.init made",
            )
        if value.shape != shape:
            raise ShapeError(
                f"the state {'/'.join(path)!r} has the shape {value.shape}, but this input needs {shape}",
                site=here(),
            )
        return value

    def set_state(self, name: str, value: Any) -> None:
        """The next value of a state that this call has asked for; shape and type stay."""
        path = (*self._path, name)
        before = self._run.state.get(path)
        if before is None or name not in self._seen:
            raise ArgumentError(
                f"set_state({name!r}) in {self.path or 'the network'} comes before state({name!r}, ...)",
                site=here(),
            )
        after = as_tensor(value)
        if after.shape != before.shape:
            raise ShapeError(
                f"the state {'/'.join(path)!r} has the shape {before.shape}, its next value {after.shape}",
                site=here(),
            )
        if not self._run.making:  # what nn.init makes is the state before the first call
            self._run.state[path] = after if after.dtype is before.dtype else after.astype(before.dtype)

    def states(self) -> dict[Path, Tensor]:
        """The states of the whole network as they are now."""
        return self._run.state

    def _fresh(self, name: str) -> None:
        if name in self._seen:
            raise ArgumentError(
                f"{self.path or type(self.layer).__name__} asks twice for {name!r}",
                site=here(),
                fix="use another name",
            )
        self._seen.add(name)

    def key(self) -> Tensor:
        """A random key of this place: another one for each layer, each call of it and each time it is asked
        for.

        Raises:
            ArgumentError: nn.apply got no key.
        """
        if self._run.key is None:
            raise ArgumentError(
                f"{self.path or type(self.layer).__name__} draws random numbers, but nn.apply got no key", site=here(),
                fix="pass key=sl.random.key(seed), another one for each step",
            )  # fmt: skip
        self._drawn += 1
        return self._run.fold(f"{self.path}#{self._run.calls[self._path]}#{self._drawn}")

    def add_loss(self, value: Any) -> None:
        """Add a number to what training minimises."""
        loss = as_tensor(value)
        if loss.shape != ():
            raise ShapeError(
                f"{self.path}: add_loss takes one number, got the shape {loss.shape}",
                site=here(),
                fix="reduce it: .sum() or .mean()",
            )
        self._run.losses.append(loss)

    def mask_of(self, x: Any) -> Tensor | None:
        """Which steps of a sequence are valid: bools (N, T), or None where all are.

        A mask belongs to a value of this pass through the network: nn.Masking and nn.Embedding(mask_zero=True)
        make one, layers with `keeps_steps` hand it on to their result, and layers that care ask for it here.

        Args:
            x: an input of this layer, as it was handed to `call`.
        """
        return self._run.masks.get(id(x), (None, None))[1]

    def set_mask(self, x: Tensor, mask: Tensor) -> None:
        """Say which steps of a value are valid.

        Args:
            x: (N, T, ...), a result of this layer.
            mask: bools (N, T), True where a step is valid.

        Raises:
            ShapeError: the mask is not of the shape (N, T).
        """
        if mask.shape != x.shape[:2]:
            raise ShapeError(f"a mask of steps must have the shape (N, T) = {x.shape[:2]}, got {mask.shape}", site=here())
        self._run.masks[id(x)] = x, mask

    def _hand_on(self, inputs: Sequence[Any], made: Any) -> None:
        """The masks of a layer's inputs, together, as that of its results."""
        masks = {id(m): m for v in tree.leaves(list(inputs)) if (m := self.mask_of(v)) is not None}
        if masks:
            mask = functools.reduce(logical_and, masks.values())
            for value in tree.leaves(made):
                if id(value) not in self._run.masks and value.shape[:2] == mask.shape:
                    self.set_mask(value, mask)

    def child(self, layer: Layer, name: str | None = None, *, following: str | None = None) -> Scope:
        """The scope of a layer inside this one; its `call` may be used several times, with the same
        parameters.

        Args:
            layer: the layer.
            name: part of its path; None takes the layer's own name, or its class's, counted.
            following: name of the activation that follows it, for initializers that choose by it.
        """
        if not isinstance(layer, Layer):
            raise ArgumentError(
                f"{self.path or type(self.layer).__name__}: a layer is needed, got {layer!r}",
                fix="e.g. nn.Dense(8)",
            )
        given = name or layer.name
        if given and (not isinstance(given, str) or "/" in given):
            raise ArgumentError(
                f"a layer's name must be text without '/', got {given!r}", fix="'/' joins the names of layers inside layers"
            )
        base = word = given or snake(type(layer).__name__)
        if given and given in self._names:
            raise ArgumentError(
                f"{self.path or type(self.layer).__name__} holds two layers with the name {given!r}",
                fix="give them different names; to share parameters, call the scope of one child twice, "
                "or one layer twice in an nn.Network",
            )
        while word in self._names:
            self._names[base] += 1
            word = f"{base}_{self._names[base]}"
        self._names[word] = 0
        return Scope(self._run, (*self._path, word), layer, trainable=self.trainable, following=following)

    def run(self, layer: Layer, *inputs: Any, name: str | None = None, following: str | None = None) -> Any:
        """Run a layer inside this one, with parameters of its own.

        Args:
            layer: the layer.
            inputs: Tensors.
            name, following: as for `child`.

        Returns:
            The layer's result.
        """
        return self.child(layer, name, following=following).call(*inputs)

    def call(self, *inputs: Any) -> Any:
        """Run this scope's layer."""
        self._run.calls[self._path] += 1
        self._begin()
        try:
            made = self.layer.call(self, *inputs)
            if any(not isinstance(v, Tensor) for v in tree.leaves(made)) or made is None:
                what = next((type(v).__name__ for v in tree.leaves(made) if not isinstance(v, Tensor)), "None")
                raise DTypeError(
                    f"call returned {what}, expected a Tensor",
                    fix="return the result, computed with saltus functions",
                )
        except SaltusError as error:
            self._locate(error)
            raise
        except Exception as error:
            if not getattr(error, "__notes__", None):
                error.add_note(f"in the layer {self.path or 'at the top'}: {self.layer!r}")
            raise
        if self._run.making and any(made is v for v in tree.leaves(list(inputs))):
            made = self._alias(made)
        if self.layer.keeps_steps and self._run.masks:
            self._hand_on(inputs, made)
        if self._run.making:
            self._run.layers.append(LayerUse(self.path, self.layer, specs(made), self._own, self.trainable))
            self._run.values.append((tree.leaves(list(inputs)), tree.leaves(made)))
        return made

    def _alias(self, x: Tensor) -> Tensor:
        """What a layer hands through as a value of its own, so that a description can tell who reads it from where."""
        made, mask = of_node(OPS["reshape"](x.node, shape=x.shape)), self.mask_of(x)
        if mask is not None:
            self.set_mask(made, mask)
        return made

    def _locate(self, error: SaltusError) -> None:
        """Say once in which layer an error happened."""
        if not getattr(error, "located", False):
            error.located = True  # type: ignore[attr-defined]
            error.what = f"{self.path + ' = ' if self.path else ''}{self.layer!r}: {error.what}"
            error.args = (error.what,)


def specs(values: Any) -> Any:
    return tree.map(lambda v: Spec(v.shape, v.dtype), values)
