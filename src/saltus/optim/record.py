"""Optimizers and schedules as records: checked when made, written as plain configuration, found by name;
lowest file of `optim`.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field, fields
from typing import Any, TypeVar

from saltus.base.errors import ArgumentError, ModelFileError, nearest, unknown_name

Made = TypeVar("Made", bound=type)

REGISTRY: dict[str, dict[str, type]] = {"optimizer": {}, "schedule": {}}

# Spellings of PyTorch and scikit-learn.
ALIASES = {
    "lr": "learning_rate",
    "learning_rate_init": "learning_rate",
    "eps": "epsilon",
    "nesterovs_momentum": "nesterov",
    "beta1": "beta_1",
    "beta2": "beta_2",
}


def number(
    default: Any = MISSING,
    *,
    low: float | None = None,
    high: float | None = None,
    above: float | None = None,
    **more: Any,
) -> Any:
    """A field of a record that holds a number (or None, where that is the default), with its bounds.

    Args:
        default: its default.
        low: smallest value allowed.
        high: values must lie below this one.
        above: values must lie above this one.
    """
    return field(default=default, metadata={"low": low, "high": high, "above": above, "number": True}, **more)


def whole(default: Any = MISSING, *, low: int = 1, **more: Any) -> Any:
    """A field that holds a whole number from `low` on (or None, where that is the default)."""
    return field(default=default, metadata={"low": low, "high": None, "above": None, "whole": True}, **more)


def _range(rule: Any) -> str:
    parts = [
        f"at least {rule['low']}" if rule["low"] is not None else "",
        f"above {rule['above']}" if rule["above"] is not None else "",
    ]
    parts.append(f"below {rule['high']}" if rule["high"] is not None else "")
    return " and ".join(p for p in parts if p)


@dataclass(frozen=True)
class Record:
    """What optimizers and schedules share: checked fields and plain configuration."""

    def __post_init__(self) -> None:
        for item in fields(self):
            rule, value = item.metadata, getattr(self, item.name)
            if not rule or (value is None and "None" in str(item.type)):
                continue
            kind = "a whole number" if rule.get("whole") else "a number"
            fits = isinstance(value, (int, float)) and not isinstance(value, bool)
            if fits and rule.get("whole"):
                fits = value == int(value)
            if fits:
                fits = (
                    (rule["low"] is None or value >= rule["low"])
                    and (rule["high"] is None or value < rule["high"])
                    and (rule["above"] is None or value > rule["above"])
                )
            if not fits:
                limits = f" {_range(rule)}" if _range(rule) else ""
                raise ArgumentError(
                    f"{type(self).__name__}: {item.name} is {value!r}, expected {kind}{limits}",
                    fix=f"its default is {item.default!r}" if item.default is not MISSING else None,
                )

    def to_config(self) -> dict[str, Any]:
        """The record as a dict of plain JSON values, from which `from_config` makes an equal one."""
        return {
            "class": type(self).__name__,
            **{f.name: _plain(self, f.name, getattr(self, f.name)) for f in fields(self)},
        }


def _plain(owner: Record, name: str, value: Any) -> Any:
    if isinstance(value, Record):
        return value.to_config()
    if isinstance(value, tuple):
        return [_plain(owner, name, v) for v in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise ArgumentError(
        f"{type(owner).__name__}: {name} is a {type(value).__name__}, which a file cannot hold",
        fix="make it a class: @sl.optim.register, a frozen dataclass derived from sl.optim.Schedule",
    )


def from_config(config: dict[str, Any]) -> Any:
    """The optimizer or schedule that `to_config` wrote.

    Raises:
        ModelFileError: nothing of that class is known, or its arguments do not fit.
    """
    try:
        name = config["class"]
        known = {k: v for table in REGISTRY.values() for k, v in table.items()}
        values = {
            k: from_config(v) if isinstance(v, dict) else tuple(v) if isinstance(v, list) else v for k, v in config.items() if k != "class"
        }
        return known[name](**values)
    except (KeyError, TypeError, AttributeError) as error:
        raise ModelFileError(
            f"the optimizer's configuration cannot be read: {error!r}",
            fix="register own classes with @sl.optim.register before loading",
        ) from error


def _translated(cls: type, args: dict[str, Any]) -> dict[str, Any]:
    """Arguments with aliases resolved; unknown ones are refused with the nearest names."""
    known = [f.name for f in fields(cls)]  # type: ignore[arg-type]
    made: dict[str, Any] = {}
    for given, value in args.items():
        if given == "betas" and "beta_1" in known:
            parts = {"beta_1": value[0], "beta_2": value[1]}
        else:
            parts = {given if given in known else ALIASES.get(given, given): value}
        for name, part in parts.items():
            if name not in known:
                close = nearest(given, known)
                raise ArgumentError(
                    f"{cls.__name__} has no argument {given!r}",
                    fix=f"did you mean {' or '.join(close)}?" if close else f"it takes {', '.join(known)}",
                )
            if name in made:
                raise ArgumentError(f"{cls.__name__}: {name} is given twice, as {given!r} too", fix="give it once")
            made[name] = part
    return made


def record(kind: str) -> Any:
    """A class decorator: a frozen dataclass whose constructor takes aliases, found by its name as a
    `kind`.
    """

    def make(cls: Made) -> Made:
        made = cls if "__dataclass_params__" in vars(cls) else dataclass(frozen=True)(cls)
        plain = made.__init__  # type: ignore[misc]

        def construct(self: Any, *args: Any, **kwargs: Any) -> None:
            if args and kind == "optimizer" and (isinstance(args[0], (dict, list, tuple)) or hasattr(args[0], "__next__")):
                raise ArgumentError(
                    f"{type(self).__name__} takes the learning rate first; parameters are handed to init and update",
                    fix=f"optimizer = {type(self).__name__}(1e-3); state = optimizer.init(params)",
                )
            plain(self, *args, **_translated(type(self), kwargs))

        construct.__doc__ = plain.__doc__
        construct.__wrapped__ = plain  # type: ignore[attr-defined]  # so that signatures show the true arguments
        made.__init__ = construct  # type: ignore[misc]
        REGISTRY[kind][made.__name__] = made
        return made  # type: ignore[no-any-return]

    return make


def find(kind: str, name: str) -> type:
    """The class of a kind by its name, in any case and with or without underscores.

    Raises:
        UnknownNameError: nothing of that name; the message has the nearest.
    """
    table = {k.lower(): v for k, v in REGISTRY[kind].items()}
    found = table.get(name.lower().replace("_", "").replace("-", ""))
    if found is None:
        raise unknown_name(kind, name, [k.lower() for k in REGISTRY[kind]])
    return found
