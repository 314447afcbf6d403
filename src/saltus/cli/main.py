"""`saltus`: the commands, and what errors look like to their user.

Exit codes: 0 done, 1 a fault of saltus, 2 wrong use or data, 130 interrupted (a checkpoint was written).
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import click

from saltus.base.errors import EngineError, SaltusError

WRONG_USE, FAULT, INTERRUPTED = 2, 1, 130


class Group(click.Group):
    """Commands in the order in which they are used, not of the alphabet."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


def show_version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from saltus import __version__

        click.echo(f"saltus {__version__}")
        ctx.exit()


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option("--version", is_flag=True, callback=show_version, expose_value=False, is_eager=True, help="Print the version.")
def commands() -> None:
    """Train a network on a table, images, texts or time series, look at it, use it.

    \b
    saltus fit customers.csv --target churned      a trained model in runs/<time>-customers/
    saltus fit flowers/                            the same on flowers/<class>/<image>
    saltus predict runs/.../model.saltus new.csv -o predictions.csv
    """


def fitting(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options of `fit`, in the order of the help."""
    options = [
        click.option("--target", "-t", metavar="COL", help="Column to predict (default: the last one, said so)."),
        click.option("--kind", metavar="KIND", help="Kind of data: table, images... (default: seen from DATA, said so)."),
        click.option("--task", metavar="KIND", help="classification or regression (default: inferred from the target)."),
        click.option("--epochs", metavar="N", help="Passes over the data at most."),
        click.option("--batch-size", metavar="N|full", help="Samples of one step, or full for all."),
        click.option("--learning-rate", "--lr", metavar="RATE", help="Highest step size of the optimizer."),
        click.option(
            "--horizon", multiple=True, metavar="N|NAME", help="How far ahead to forecast: steps, or month, quarter... (repeatable).",
            callback=lambda _, __, words: ",".join(words) or None,
        ),
        click.option("--time", metavar="COL", help="Column of times of series (default: the first column of dates)."),
        click.option("--key", metavar="COL", help="Column that tells series apart (default: found when times repeat)."),
        click.option("--hidden", metavar="N,N,...", help="Widths of the hidden layers; 0 for none."),
        click.option("--dropout", metavar="SHARE", help="Share of hidden units left out in training."),
        click.option("--validation", metavar="SHARE", help="Share held out to stop by and to choose the best epoch."),
        click.option("--test", metavar="SHARE|FILE", help="Share or file never trained on, for the final figures (default: 0.2)."),
        click.option("--seed", metavar="N", help="Same seed, same model, bit for bit."),
        click.option("--size", metavar="N|HxW", help="Images: pixels they are resized to (default: their median, at most 128)."),
        click.option("--skip-corrupt", is_flag=True, help="Images: leave out files that cannot be read."),
        click.option(
            "--augment", metavar="NAMES",
            help="Change samples while training, with commas between: images standard (what suits them), mirror, randaugment, mixup...; "
            "tables noise, mixup, smote...; texts standard...; an unknown name lists them all.",
        ),
        click.option(
            "--ensemble", metavar="METHOD", help="Many networks as one: bagging, adaboost, boosting, snapshot, averaging, voting, stacking."
        ),
        click.option("--members", metavar="N", help="Networks of the ensemble (default: 10)."),
        click.option("--distill", is_flag=True, help="Teach one network what the ensemble says, and keep that one."),
        click.option("--ema", metavar="SHARE", help="Keep a moving average of the weights, such as 0.999, in their place."),
        click.option("--folds", type=click.IntRange(min=2), metavar="N", help="Cross-validate before, in folds; series walk forward."),
        click.option("--repeats", type=click.IntRange(min=1), metavar="N", help="Repeat the folds so many times, each dealt otherwise."),
        click.option("--groups", metavar="COL", help="Rows that are equal in this column stay in one fold; it is not learnt from."),
        click.option("--order", metavar="COL", help="Each fold is judged by rows later in this column than those it learns from."),
        click.option("--column", "columns", multiple=True, metavar="COL=HOW", help="Read a column as number, category, text, drop..."),
        click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Any other setting; an unknown key lists them all."),
        click.option("--out", "-o", type=click.Path(), metavar="FOLDER", help="Folder of this run (default: runs/<time>-<name>)."),
        click.option("--resume", type=click.Path(), metavar="RUN", help="Go on with the interrupted run in a folder."),
        click.option("--report", is_flag=True, help="Write a page on the run into its folder, as `saltus report` does."),
        click.option("--quiet", "-q", is_flag=True, help="Only the result."),
    ]
    for option in reversed(options):
        function = option(function)
    return function


@commands.command()
@click.argument("data", required=False)
@fitting
def fit(**given: Any) -> None:
    """Train a network on DATA, whose kind is seen from it.

    \b
    a table           CSV, Parquet, JSON lines, Arrow; or the name of a data set that comes with saltus
    images            a folder <class>/<file> or train|test/<class>/<file>; IDX or NPZ files
    texts             a folder of text files by class, or a table of texts
    time series       a table of regular times and numbers
    """
    from saltus.cli.fit import run

    run(**given)


@commands.command()
@click.argument("data")
@click.option("--augment", default="standard", show_default=True, metavar="NAMES", help="As of fit: standard, randaugment, light,mixup...")
@click.option("--preview", "-o", type=click.Path(dir_okay=False), required=True, metavar="FILE", help="Picture to write, e.g. a .png.")
@click.option("--images", type=click.IntRange(1, 64), default=8, show_default=True, help="Rows of the sheet, one an image.")
@click.option("--copies", type=click.IntRange(1, 64), default=8, show_default=True, help="Changed copies of each.")
@click.option("--size", metavar="N|HxW", help="Pixels the images are resized to (default: their median, at most 128).")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Another seed, other images and changes.")
def augment(**given: Any) -> None:
    """Show what an augmentation makes of images: each in the first column, changed copies beside it."""
    from saltus.cli.augment import run

    run(**given)


@commands.command()
@click.argument("data")
@click.option("--target", "-t", metavar="COL", help="Column to predict (default: the last one).")
@click.option("--kind", metavar="KIND", help="Kind of data: table, text, images, series (default: seen from DATA, said so).")
@click.option("--trials", type=click.IntRange(min=1), default=50, show_default=True, metavar="N", help="Trainings in all.")
@click.option("--search", "words", multiple=True, metavar="NAME=RANGE", help="Search this: width=16..256, optimizer=adam,sgd.")
@click.option("--method", default="tpe", show_default=True, metavar="NAME", help="tpe, random, grid or cmaes.")
@click.option("--pruner", default="median", show_default=True, metavar="NAME", help="median, hyperband, patient or none.")
@click.option("--monitor", default="val_loss", show_default=True, metavar="NAME", help="The figure to search by.")
@click.option("--validation", type=click.FloatRange(0, 1, True, True), default=0.2, show_default=True, help="Share that judges the trials.")
@click.option("--time-limit", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", help="End the search then.")
@click.option("--study", type=click.Path(dir_okay=False), metavar="FILE", help="SQLite file of the search (default: in the run's folder).")
@click.option("--resume", is_flag=True, help="Go on with the study of that file.")
@click.option("--workers", type=click.IntRange(min=1), metavar="N", help="Trainings at once (default: one a core).")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A setting of all trials, as of fit.")
@click.option("--out", "-o", type=click.Path(), metavar="FOLDER", help="Folder of this run (default: runs/<time>-<name>-tune).")
@click.option("--report", is_flag=True, help="Write a page on the run into its folder, as `saltus report` does.")
@click.option("--quiet", "-q", is_flag=True, help="Only the result.")
def tune(**given: Any) -> None:
    """Search the hyperparameters of a network for DATA, of any kind that fit takes; leaves the best model, and all trials."""
    from saltus.cli.tune import run

    run(**given)


@commands.command()
@click.argument("what", metavar="WHAT")
@click.argument("data", required=False)
@click.option("--target", "-t", metavar="COL", help="Column to predict (default: the last one).")
@click.option("--epochs", type=click.IntRange(min=1), metavar="N", help="Passes over the data of each training.")
@click.option("--seed", type=int, metavar="N", help="Same seed, same figures.")
@click.option("--workers", type=click.IntRange(min=1), metavar="N", help="Trainings at once (default: 1, for seconds that mean something).")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Any other setting, such as rates=0.01,0.1.")
@click.option("--table", type=click.Path(dir_okay=False), metavar="FILE", help="Write the table: .csv, .parquet, .jsonl.")
@click.option("--plot", type=click.Path(dir_okay=False), metavar="FILE", help="Draw the curves: .png, .svg, .pdf.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def compare(**given: Any) -> None:
    """Train the same with one thing changed, and say what came of it; on DATA, or on a small set of its own.

    \b
    gradient-descent  all samples, some, or one for each update: updates, seconds, sharpness of the minimum
    learning-rates    from far too low to far too high
    optimizers        eight of them, with the memory of their state
    initializers      zeros, one constant, random, Xavier, He: activations and gradients by layer
    depth             shallow and deep with the same number of parameters
    activations       of a deep network; where gradients vanish
    dropout           none, some, much
    dense-vs-cnn      on images
    """
    from saltus.cli.compare import run

    run(**given)


@commands.command()
@click.argument("model", type=click.Path())
@click.argument("data")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def evaluate(model: str, data: str, as_json: bool) -> None:
    """Measure a model on data whose target is known; - reads CSV from standard input."""
    from saltus.cli.use import evaluate as run

    run(model, data, as_json=as_json)


@commands.command()
@click.argument("model", type=click.Path())
@click.argument("data", nargs=-1, required=True)
@click.option("--output", "-o", type=click.Path(dir_okay=False), help="CSV, Parquet or JSON lines file (default: CSV to the terminal).")
@click.option(
    "--columns", type=click.Choice(["prediction", "all"]), default="all", show_default=True, help="Predictions alone, or beside the input."
)
def predict(model: str, data: tuple[str, ...], output: str | None, columns: str) -> None:
    """Predict raw rows, images, texts or what comes next: the model file reads, converts and rescales data itself.

    DATA is what the model was trained on: a table, image files, texts; - reads a table as CSV from standard input.
    """
    from saltus.cli.use import predict as run

    run(model, data, output, columns)


@commands.command()
@click.argument("model", type=click.Path())
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@click.option("--svg", type=click.Path(), metavar="FILE", help="Draw the network into a file.")
def show(model: str, as_json: bool, svg: str | None) -> None:
    """Show what a model file or a run holds: network, data preparation, training."""
    from saltus.cli.show import run

    run(model, as_json=as_json, svg=svg)


@commands.command()
@click.argument("run", required=False, type=click.Path())
@click.option("--output", "-o", type=click.Path(dir_okay=False), metavar="FILE", help="The page (default: report.html in RUN).")
def report(run: str | None, output: str | None) -> None:
    """Write one HTML page on RUN, the folder of a run (default: the newest under runs/)."""
    from saltus.cli.report import run as write

    write(run, output)


@commands.command()
@click.option("--seconds", type=click.FloatRange(min=0.05), default=1.0, show_default=True, help="Time for each figure.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def bench(seconds: float, as_json: bool) -> None:
    """Measure this machine: training steps of two networks, matrix products, memory."""
    from saltus.cli.bench import run

    run(seconds, as_json=as_json)


def main(words: list[str] | None = None) -> int:
    """Run the command line; returns the exit code (the console script exits with it)."""
    try:
        with terminated_like_interrupted():
            commands.main(args=words, prog_name="saltus", standalone_mode=False)
    except click.exceptions.Exit as done:
        return int(done.exit_code)
    except click.ClickException as error:
        error.show()
        return WRONG_USE
    except (KeyboardInterrupt, click.Abort) as stopped:  # click puts an Abort around the first
        said = str(stopped.__cause__ or stopped)
        click.echo(f"interrupted{': ' if said else ''}{said}", err=True)
        return INTERRUPTED
    except EngineError as error:
        click.echo(f"saltus failed: {error}", err=True)
        return FAULT
    except SaltusError as error:
        click.echo(f"error: {error}", err=True)
        return WRONG_USE
    except BrokenPipeError:  # the reader of our output left: nothing is wrong, but Python must not try to write the rest
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


@contextlib.contextmanager
def terminated_like_interrupted() -> Iterator[None]:
    """SIGTERM ends a command as Ctrl-C does; only the main thread can ask for that."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt(f"stopped by {signal.Signals(number).name}")

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


if __name__ == "__main__":
    sys.exit(main())
