"""Small real data sets that come with saltus; CREDITS.md beside this file names sources and licences."""

from __future__ import annotations

from pathlib import Path

from saltus.base.errors import unknown_name

_FOLDER = Path(__file__).parent


def names() -> tuple[str, ...]:
    """The data sets there are.

    Example:
        >>> names()
        ('penguins',)
    """
    return tuple(sorted(file.stem for file in _FOLDER.glob("*.csv")))


def path(name: str) -> Path:
    """The file of a data set.

    Args:
        name: one of `names()`.

    Returns:
        Its path, to be read with `read_table`.

    Raises:
        UnknownNameError: no data set of that name; the message has the nearest.

    Example:
        >>> path("penguins").name
        'penguins.csv'
    """
    file = _FOLDER / f"{name}.csv"
    if name not in names():
        raise unknown_name("data set", name, names())
    return file
