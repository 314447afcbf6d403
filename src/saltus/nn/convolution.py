"""Convolution layers: a small kernel slid over sequences, images or volumes. In: core, tensor.convolution. Channels come last.

The three ranks of a layer are one class body: a class variable says how many axes the kernel moves along.
"""

from __future__ import annotations

import dataclasses
from dataclasses import KW_ONLY
from typing import Any, ClassVar

from saltus.base.errors import ArgumentError, ShapeError
from saltus.nn import activations
from saltus.nn.activations.functions import canonical
from saltus.nn.checks import channels_last, lengths, whole
from saltus.nn.config import register
from saltus.nn.core import activation_name, penalise, settle
from saltus.nn.layer import Layer
from saltus.nn.scope import Scope
from saltus.ops.convolution import reach
from saltus.tensor.convolution import conv
from saltus.tensor.tensor import Tensor
from saltus.tensor.tracing import here

AXES = {1: ("steps",), 2: ("height", "width"), 3: ("depth", "height", "width")}


def form(rank: int) -> str:
    """The shape of an input in words: "(N, height, width, channels)"."""
    return f"(N, {', '.join(AXES[rank])}, channels)"


def require_rank(x: Tensor, rank: int) -> None:
    """Refuse an input that has more or fewer axes than the layer moves along.

    Raises:
        ShapeError: with what is probably missing.
    """
    if x.ndim == rank + 2:
        return
    if x.ndim == rank + 1:
        fix = f"if it has one channel, add its axis: x[..., None]; if it is one sample, add the batch: x[None]; {x.shape} may be either"
    elif x.ndim - 2 in AXES:
        fix = f"use the {x.ndim - 2}D layer for inputs of the shape {form(x.ndim - 2)}"
    else:
        fix = f"bring it into that shape before: nn.Reshape(({', '.join(AXES[rank])}, channels))"
    raise ShapeError(f"the input must have the shape {form(rank)}, got {x.shape}", site=here(), fix=fix)


def require_room(x: Tensor, kernel: tuple[int, ...], dilation: tuple[int, ...], padding: Any) -> None:
    """Refuse a kernel that is larger than its padded input.

    Raises:
        ShapeError: with the axis.
    """
    sizes = x.shape[1:-1]
    if 0 in sizes:
        raise ShapeError(f"the input has the shape {x.shape}: there is nothing to slide a kernel over", site=here(),
                         fix="pool or stride less in the layers before, or give larger inputs")  # fmt: skip
    if padding in ("same", "causal"):
        return
    pairs = [(0, 0)] * len(sizes) if padding == "valid" else padding
    for axis, size, span, (low, high) in zip(AXES[len(sizes)], sizes, reach(kernel, dilation), pairs, strict=True):
        if span > size + low + high:
            wide = f"spans {span} (dilation {max(dilation)})" if max(dilation) > 1 else f"has {span}"
            border = f" with {low + high} of padding" if low + high else ""
            first = sizes[0] in (1, 3) and sizes[0] < min(x.shape[2:], default=0)  # looks like (N, channels, ...)
            raise ShapeError(
                f"the kernel is larger than its input: along {axis} it {wide}, the input {x.shape} has only {size}{border}",
                site=here(),
                fix="channels come last: np.moveaxis(x, 1, -1)" if first
                else 'use padding="same", a smaller kernel, or fewer strides and poolings before',
            )


def settle_padding(layer: Any, rank: int, words: tuple[str, ...]) -> Any:
    """The one form of padding: a word, or a pair of numbers an axis."""
    given = layer.padding
    if isinstance(given, str) and given.lower() in words:
        return given.lower()
    pairs = given if isinstance(given, (tuple, list)) else [given] * rank
    if isinstance(given, str) or len(pairs) != rank:
        note = " (causal is for layers along time)" if given == "causal" else ""
        raise ArgumentError(
            f"{type(layer).__name__}: padding must be {', '.join(map(repr, words))}, a number of zeros, or a number or pair for each of "
            f"{rank} axes, got {given!r}{note}",
            fix='e.g. padding="same"',
        )
    return tuple(lengths(layer, "padding", p, 2, low=0) for p in pairs)


@dataclasses.dataclass(frozen=True, repr=False)
class Windowed(Layer):
    """What all convolution layers share: the form of their arguments, bias and activation.

    Derived classes have the fields named here; `parts` names those of their initializers, regularizers and constraints.
    """

    rank: ClassVar[int]
    parts: ClassVar[tuple[str, ...]] = ("kernel", "bias")
    words: ClassVar[tuple[str, ...]] = ("valid", "same")

    def __post_init__(self: Any) -> None:
        for name in ("filters", "depth_multiplier", "groups"):
            if hasattr(self, name):
                self._set(**{name: whole(self, name, getattr(self, name))})
        channels_last(self, self.data_format)
        self._set(
            kernel_size=lengths(self, "kernel_size", self.kernel_size, self.rank),
            strides=lengths(self, "strides", self.strides, self.rank),
            dilation_rate=lengths(self, "dilation_rate", self.dilation_rate, self.rank),
            padding=settle_padding(self, self.rank, self.words),
            activation=canonical(self.activation, f"{type(self).__name__}: activation"),
        )
        settle(self, *(f"{p}_{k}" for k in ("initializer", "regularizer", "constraint") for p in self.parts), "activity_regularizer")

    @property
    def following(self: Any) -> str | None:
        return activation_name(self.activation)

    def _input(self: Any, scope: Scope, x: Any) -> Tensor:
        tensor = scope.cast(x)
        require_rank(tensor, self.rank)
        return tensor

    def _param(self: Any, scope: Scope, name: str, part: str, shape: tuple[int, ...]) -> Tensor:
        return scope.param(
            name, shape, getattr(self, f"{part}_initializer"), regularizer=getattr(self, f"{part}_regularizer"),
            constraint=getattr(self, f"{part}_constraint"),
        )  # fmt: skip

    def _finish(self: Any, scope: Scope, made: Tensor) -> Tensor:
        """Bias, activation and the penalty of the result."""
        if self.use_bias:
            made = made + self._param(scope, "bias", "bias", (made.shape[-1],))
        made = activations.get(self.activation)(made)
        penalise(scope, self.activity_regularizer, made)
        return made


@dataclasses.dataclass(frozen=True, repr=False)
class _Convolution(Windowed):
    """Convolution over `rank` axes."""

    filters: int
    kernel_size: Any
    strides: Any = 1
    padding: Any = "valid"
    data_format: Any = None
    dilation_rate: Any = 1
    groups: int = 1
    activation: Any = None
    _: KW_ONLY
    use_bias: bool = True
    kernel_initializer: Any = "glorot_uniform"
    bias_initializer: Any = "zeros"
    kernel_regularizer: Any = None
    bias_regularizer: Any = None
    activity_regularizer: Any = None
    kernel_constraint: Any = None
    bias_constraint: Any = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.filters % self.groups:
            raise ArgumentError(
                f"{type(self).__name__}: {self.groups} groups do not divide the {self.filters} filters",
                fix=f"use filters={-(-self.filters // self.groups) * self.groups}, or another number of groups",
            )

    def call(self, scope: Scope, x: Any) -> Tensor:
        x = self._input(scope, x)
        channels = x.shape[-1]
        if channels % self.groups:
            raise ShapeError(
                f"{self.groups} groups do not divide the {channels} channels of the input {x.shape}", site=here(),
                fix=f"use a number of groups that divides {channels} and {self.filters}",
            )  # fmt: skip
        require_room(x, self.kernel_size, self.dilation_rate, self.padding)
        kernel = self._param(scope, "kernel", "kernel", (*self.kernel_size, channels // self.groups, self.filters))
        made = conv(x, kernel, stride=self.strides, dilation=self.dilation_rate, padding=self.padding, groups=self.groups)
        return self._finish(scope, made)


@register(aliases=("convolution1d",))
class Conv1D(_Convolution):
    """activation(convolution + bias) along one axis, such as time. Steps that a mask leaves out count as zeros, as those beyond the end do.

    Args:
        filters: channels of the result.
        kernel_size: steps a filter sees at once.
        strides: steps from one place of the kernel to the next.
        padding: "valid" (no padding), "same" (the result has ceil(steps / strides) steps), "causal" (no step sees a later one), or numbers
            of zeros before and after.
        data_format: "channels_last" or None.
        dilation_rate: distance of neighbouring kernel elements in the input.
        groups: the channels are cut into so many groups that do not see each other.
        activation: a name, a function of a Tensor, or None.
        use_bias: whether a bias is added.
        kernel_initializer, bias_initializer: first values; "auto" chooses by the activation.
        kernel_regularizer, bias_regularizer, activity_regularizer: penalties on kernel, bias and output.
        kernel_constraint, bias_constraint: bounds after each update.

    Returns:
        `call` takes (N, steps, channels) and returns (N, new steps, filters). The kernel has the shape (kernel_size, channels / groups,
        filters).

    Example:
        >>> from saltus import nn
        >>> nn.describe(nn.Conv1D(8, 3, padding="causal"), nn.Spec((1, 20, 4))).output.shape
        (1, 20, 8)
    """

    rank: ClassVar[int] = 1
    words: ClassVar[tuple[str, ...]] = (*Windowed.words, "causal")

    @property
    def keeps_steps(self) -> bool:  # type: ignore[override]
        return self.padding in ("same", "causal") and self.strides == (1,)

    def _input(self, scope: Scope, x: Any) -> Tensor:
        tensor, mask = super()._input(scope, x), scope.mask_of(x)
        return tensor if mask is None else tensor * mask[..., None].astype(tensor.dtype)


@register(aliases=("convolution2d",))
class Conv2D(_Convolution):
    """activation(convolution + bias) of images.

    Args:
        filters: channels of the result.
        kernel_size: height and width of the kernel, or one number for both.
        strides: rows and columns from one place of the kernel to the next.
        padding: "valid" (no padding), "same" (the result has ceil(size / strides) places; an odd zero goes to the end), or numbers of
            zeros: one, one an axis, or a pair (before, after) an axis.
        data_format: "channels_last" or None.
        dilation_rate: distance of neighbouring kernel elements in the input.
        groups: the channels are cut into so many groups that do not see each other.
        activation: a name, a function of a Tensor, or None.
        use_bias: whether a bias is added.
        kernel_initializer, bias_initializer: first values; "auto" chooses by the activation.
        kernel_regularizer, bias_regularizer, activity_regularizer: penalties on kernel, bias and output.
        kernel_constraint, bias_constraint: bounds after each update.

    Returns:
        `call` takes (N, height, width, channels) and returns (N, new height, new width, filters). The kernel has the shape (height, width,
        channels / groups, filters).

    Raises:
        ShapeError: the input has another rank, the kernel is larger than it, or the groups do not divide its channels.

    Source: LeCun et al., "Backpropagation applied to handwritten zip code recognition", 1989.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> layer = nn.Conv2D(8, 3, strides=2, padding="same", activation="relu")
        >>> params, state = nn.init(layer, nn.Spec((1, 28, 28, 1)), key=sl.random.key(0))
        >>> params["kernel"].shape, nn.apply(layer, params, state, sl.zeros((2, 28, 28, 1))).output.shape
        ((3, 3, 1, 8), (2, 14, 14, 8))
    """

    rank: ClassVar[int] = 2


@register(aliases=("convolution3d",))
class Conv3D(_Convolution):
    """activation(convolution + bias) of volumes or films.

    Args:
        filters: channels of the result.
        kernel_size: depth, height and width of the kernel, or one number for all.
        strides, padding, data_format, dilation_rate, groups: as for Conv2D, along three axes.
        activation, use_bias: as for Conv2D.
        kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer, activity_regularizer, kernel_constraint,
            bias_constraint: as for Conv2D.

    Returns:
        `call` takes (N, depth, height, width, channels) and returns the same with other lengths and `filters` channels.

    Example:
        >>> from saltus import nn
        >>> nn.describe(nn.Conv3D(4, 3), nn.Spec((1, 8, 9, 10, 1))).output.shape
        (1, 6, 7, 8, 4)
    """

    rank: ClassVar[int] = 3
