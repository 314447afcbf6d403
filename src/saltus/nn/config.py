"""Records: what a layer, initializer, loss or metric is told once; their registry by name, and their form
in JSON. Lowest file of nn.

A record is a frozen dataclass without arrays. Its JSON form is {"class": "layers.Dense", field: value,
...}, with every field, so that a default that changes later does not change a stored network.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar, dataclass_transform

import numpy as np

from saltus.base.dtypes import DType
from saltus.base.elsewhere import argument
from saltus.base.errors import ArgumentError, UnknownNameError, unknown_name
from saltus.tensor.tensor import Tensor

T = TypeVar("T")


class Record:
    """Base of everything that is configured once: layers, activations with options, initializers,
    regularizers, constraints, losses, metrics.
    """

    kind: ClassVar[str] = "records"

    def __new__(cls, *args: Any, **named: Any) -> Any:
        own = vars(cls)
        if "__dataclass_fields__" not in own and any("ClassVar" not in str(a) for a in own.get("__annotations__", {}).values()):
            raise ArgumentError(
                f"{cls.__name__} is not registered, so its fields are not known", fix=f"put @nn.register above class {cls.__name__}"
            )  # fmt: skip
        return super().__new__(cls)

    def __repr__(self) -> str:
        """The call that makes it, without what is left at its default."""
        shown = []
        for number, field in enumerate(sorted(dataclasses.fields(self), key=lambda f: f.kw_only)):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
            if not required and _is_default(value, _default(field)):
                continue
            text = (
                f"[{', '.join(map(repr, value))}]"
                if isinstance(value, tuple) and any(isinstance(v, Record) for v in value)
                else repr(value)
            )
            shown.append(text if number == 0 and not field.kw_only else f"{field.name}={text}")
        return f"{type(self).__name__}({', '.join(shown)})"

    def replace(self: T, **changes: Any) -> T:
        """The same record with other values in some fields."""
        return dataclasses.replace(self, **changes)  # type: ignore[type-var]

    def _set(self, **values: Any) -> None:
        """Put fields into their one form; for `__post_init__` only."""
        for name, value in values.items():
            object.__setattr__(self, name, value)


def _default(field: dataclasses.Field[Any]) -> Any:
    return field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default


def _is_default(value: Any, default: Any) -> bool:
    """Whether a field has its default; a name that was turned into a record counts as the name."""
    if isinstance(value, Record) and isinstance(default, str):
        return plain(type(value).__name__) == plain(default) and repr(value) == f"{type(value).__name__}()"
    if isinstance(value, tuple) and isinstance(default, int):  # one number an axis, where one for all was the default
        return value == (default,) * len(value)
    return type(value) is type(default) and bool(value == default)


# kind -> name -> class or function; kind -> plain form of a name or alias -> what makes it.
_CLASSES: dict[str, dict[str, Any]] = {}
_MAKERS: dict[str, dict[str, Any]] = {}
_SHOWN: dict[str, dict[str, str]] = {}  # kind -> name or alias as shown -> name of what it makes


def plain(name: str) -> str:
    """The form under which names are compared: GlorotUniform, glorot_uniform and glorotuniform are one."""
    return name.replace("_", "").replace("-", "").replace(" ", "").lower()


def snake(name: str) -> str:
    """ "BatchNormalization" -> "batch_normalization", "Conv2DTranspose" -> "conv2d_transpose"."""
    made = ""
    for before, letter, after in zip(" " + name, name, name[1:] + " ", strict=False):
        counted = before.isdigit() and letter != "D"  # the D of 2D belongs to its number
        starts = letter.isupper() and (before.islower() or counted or (before.isupper() and after.islower()))
        made += ("_" if starts and made else "") + letter.lower()
    return made


@dataclass_transform(frozen_default=True)
def _name_unknown_arguments(made: type) -> None:
    """Let a class refuse arguments it does not have with the nearest names it has."""
    construct = vars(made).get("__init__")
    if construct is None:
        return
    known = tuple(f.name for f in dataclasses.fields(made) if f.init)

    @functools.wraps(construct)
    def checked(self: Any, *args: Any, **named: Any) -> None:
        for name in named:
            if name not in known:
                elsewhere = argument(name, known)
                if elsewhere is not None:
                    raise UnknownNameError(f"unknown argument of {made.__name__} {name!r}", fix=elsewhere)
                raise unknown_name(f"argument of {made.__name__}", name, known)
        construct(self, *args, **named)

    made.__init__ = checked  # type: ignore[misc]


def _readable(target: type) -> None:
    """Refuse layers that are written as other systems want them."""
    if target.kind != "layers":  # type: ignore[attr-defined]
        return
    own = vars(target)
    if "forward" in own and "call" not in own:
        raise ArgumentError(f"{target.__name__} has a method forward, but none named call", fix="call it call(self, scope, x)")
    if "call" in own and callable(own["call"]):
        taken = list(inspect.signature(own["call"]).parameters)
        if len(taken) > 1 and taken[1] in ("x", "input", "inputs", "tensor"):
            raise ArgumentError(
                f"{target.__name__}: call({', '.join(taken)}) takes no scope", fix=f"write call(self, scope, {', '.join(taken[1:])}): the "
                "scope makes parameters and runs layers",
            )  # fmt: skip


def _unchanging(self: Any, name: str, value: Any) -> None:
    """In place of `__setattr__`: records do not change."""
    title = type(self).__name__
    raise dataclasses.FrozenInstanceError(
        f"cannot set {name!r} of {title}: records do not change. Make another one, {title.lower()}.replace({name}=...); in a class of your "
        "own name what it is told as fields of the class, without __init__"
    )


def register(target: Any = None, *, aliases: tuple[str, ...] = ()) -> Any:
    """Make a class or function known by its name, so that networks that use it can be stored and loaded.

    Args:
        target: a subclass of Layer, Loss, Metric, Initializer, Regularizer or Constraint, which becomes a
            frozen dataclass unless it is one; or a function of Tensors, for Lambda and as an activation.
        aliases: further names.

    Returns:
        The target itself, so that this is a decorator.

    Raises:
        ArgumentError: another class of that name exists already.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> @nn.register
        ... class Scale(nn.Layer):
        ...     factor: float = 2.0
        ...
        ...     def call(self, scope, x):
        ...         return x * self.factor
        >>> nn.from_config(nn.to_config(Scale(3.0)))
        Scale(3.0)
    """
    if target is None:
        return lambda made: register(made, aliases=aliases)
    if isinstance(target, type):
        if not issubclass(target, Record):
            raise ArgumentError(
                f"nn.register takes layers, losses, metrics and the like, or functions; {target.__name__} is neither",
                fix="derive it from nn.Layer, nn.losses.Loss, nn.metrics.Metric, ...",
            )
        if "__dataclass_fields__" not in vars(target):
            _readable(target)
            target = dataclasses.dataclass(frozen=True, repr=False)(target)
            _name_unknown_arguments(target)
            target.__setattr__ = _unchanging
        kind = target.kind
    else:
        kind = "functions"
    name = target.__name__
    classes = _CLASSES.setdefault(kind, {})
    other = classes.get(name)
    if other is not None and (other.__module__, other.__qualname__) != (
        target.__module__,
        target.__qualname__,
    ):
        raise ArgumentError(
            f"{kind}: the name {name!r} is taken by {other.__module__}.{other.__qualname__}",
            fix="choose another name",
        )
    classes[name] = target
    makers = _MAKERS.setdefault(kind, {})
    for word in (name, *aliases):
        makers[plain(word)] = target
    _SHOWN.setdefault(kind, {}).update(dict.fromkeys((snake(name), *aliases), name))
    return target


def alias(kind: str, name: str, maker: Callable[[], Any]) -> None:
    """A further name, for a record with certain values."""
    _MAKERS.setdefault(kind, {})[plain(name)] = maker
    _SHOWN.setdefault(kind, {})[name] = name


def names(kind: str) -> list[str]:
    """The names a kind is known by."""
    return sorted(_SHOWN.get(kind, ()))


def aliases_of(kind: str, name: str) -> tuple[str, ...]:
    """The further names of a class or function."""
    return tuple(sorted(k for k, v in _SHOWN.get(kind, {}).items() if v == name and k != snake(name)))


def find(kind: str, name: str) -> Any:
    """The class, function or maker of a name.

    Raises:
        UnknownNameError: nothing has this name.
    """
    found = _MAKERS.get(kind, {}).get(plain(name))
    if found is None:
        raise unknown_name(kind.removesuffix("s").replace("losse", "loss"), name, names(kind))
    return found


def known(function: Any) -> bool:
    """Whether a function is registered under its own name."""
    return _CLASSES.get("functions", {}).get(getattr(function, "__name__", None)) is function


def lookup(kind: str, base: type[T], given: Any, where: str) -> T:
    """A record of a kind from its name, its class, its JSON form, or itself.

    Args:
        kind: "losses", "metrics", ...
        base: class it must belong to.
        given: what the user gave.
        where: the argument, for messages: "loss", "Dense: kernel_initializer".
    """
    if isinstance(given, base):
        return given
    try:
        if isinstance(given, str):
            made = find(kind, given)()
        elif isinstance(given, type) and issubclass(given, base):
            made = given()
        elif isinstance(given, Mapping):
            made = from_config(dict(given))
        else:
            made = given
    except UnknownNameError as error:
        raise UnknownNameError(f"{where}: {error.what}", fix=error.fix) from None
    except TypeError as error:
        raise ArgumentError(f"{where}: {given!r} needs arguments ({error})", fix="give it as an object, with its arguments") from None
    if not isinstance(made, base):
        raise ArgumentError(
            f"{where} must be a name or a {base.__name__}, got {given!r} ({type(given).__name__})",
            fix=f"use one of: {', '.join(names(kind))}",
        )
    return made


def to_config(record: Any) -> dict[str, Any]:
    """A network, layer, loss, ... as plain dicts, lists, strings and numbers, ready for JSON.

    Args:
        record: a Layer, Loss, Metric, Initializer, Regularizer or Constraint.

    Raises:
        ArgumentError: it holds a function that is not registered, or another object without a plain form.

    Example:
        >>> from saltus import nn
        >>> nn.to_config(nn.initializers.Constant(0.5))
        {'class': 'initializers.Constant', 'value': 0.5}
    """
    if not isinstance(record, Record):
        raise ArgumentError(f"nn.to_config takes layers, losses, metrics and the like, got {type(record).__name__}")
    return _config(record, type(record).__name__)  # type: ignore[no-any-return]


def _config(value: Any, where: str) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Record):
        name = type(value).__name__
        if _CLASSES.get(value.kind, {}).get(name) is not type(value):
            raise ArgumentError(
                f"{name} cannot be stored: its class is not registered",
                fix=f"put @nn.register above class {name}",
            )
        fields = {f.name: _config(getattr(value, f.name), f"{name}: {f.name}") for f in dataclasses.fields(value)}  # type: ignore[arg-type]
        return {"class": f"{value.kind}.{name}", **fields}
    if isinstance(value, (tuple, list)):
        return [_config(v, where) for v in value]
    if isinstance(value, Mapping) and all(isinstance(k, str) for k in value) and "class" not in value:
        return {k: _config(v, where) for k, v in value.items()}
    if isinstance(value, DType):
        return value.name
    if isinstance(value, (np.ndarray, np.generic, Tensor)):
        return value.tolist()
    if callable(value):
        name = getattr(value, "__name__", repr(value))
        if known(value):
            return {"class": f"functions.{name}"}
        raise ArgumentError(
            f"{where}: the function {name} cannot be stored, since it is not registered",
            fix="define it with def, and put @nn.register above it",
        )
    raise ArgumentError(
        f"{where}: a {type(value).__name__} has no plain form",
        fix="use numbers, strings, lists, dicts and registered records",
    )


def from_config(config: Mapping[str, Any]) -> Any:
    """What `to_config` was given.

    Args:
        config: plain dicts, lists, strings and numbers.

    Raises:
        UnknownNameError: a class that is not registered here.
        ArgumentError: fields are missing or too many.

    Example:
        >>> from saltus import nn
        >>> nn.from_config({"class": "layers.Dense", "units": 3, "activation": "relu"})
        Dense(3, activation='relu')
    """
    if not isinstance(config, Mapping) or not isinstance(config.get("class"), str):
        raise ArgumentError(f"not a stored record: {config!r:.80}", fix='it must be a dict with the key "class"')
    kind, _, name = config["class"].rpartition(".")
    target = _CLASSES.get(kind, {}).get(name)
    if target is None:
        error = unknown_name("class", config["class"], [f"{k}.{n}" for k, table in _CLASSES.items() for n in table])
        error.fix = f"import the module that registers it first; or {error.fix}"
        raise error
    if kind == "functions":
        return target
    allowed = [f.name for f in dataclasses.fields(target)]
    if extra := sorted(set(config) - set(allowed) - {"class"}):
        raise ArgumentError(f"{config['class']} has no field {', '.join(extra)}", fix=f"its fields are {', '.join(allowed)}")
    try:
        return target(**{k: _value(v) for k, v in config.items() if k != "class"})
    except TypeError as error:
        raise ArgumentError(f"{config['class']}: {error}") from None


def _value(value: Any) -> Any:
    if isinstance(value, Mapping):
        return from_config(value) if "class" in value else {k: _value(v) for k, v in value.items()}
    return tuple(_value(v) for v in value) if isinstance(value, (list, tuple)) else value
