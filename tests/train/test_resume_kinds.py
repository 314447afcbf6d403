"""With augmentation, dropout, a moving average and a schedule on, a training on any kind of data goes on exactly from the
middle of an epoch.
"""


import numpy as np
import pytest
from kinds_of_data import Stop

import saltus as sl
from saltus.train import fit_images, fit_series, fit_table, fit_texts

RNG = np.random.default_rng(1)
ROWS = 130


X = RNG.normal(size=(ROWS, 3))
TABLE = {"a": X[:, 0], "b": X[:, 1], "c": X[:, 2], "y": np.where(X[:, 0] > 0, "up", "down")}
WORDS = np.array(["gold", "win", "free", "lunch", "report", "thanks", "the", "and", "we", "you"])
TEXTS = {"text": [" ".join(RNG.choice(WORDS, 9)) + f" {n % 7}" for n in range(ROWS)], "kind": ["ham", "spam"] * (ROWS // 2)}
DAYS = np.arange("2023-01-01", "2023-08-01", dtype="datetime64[D]")
SERIES = {"day": DAYS, "sold": 10 + np.arange(len(DAYS)) % 7 + RNG.normal(size=len(DAYS))}
LIGHT = (np.arange(ROWS) % 2).astype(np.uint8)
PIXELS = (RNG.integers(0, 200, (ROWS, 8, 8), np.uint8) + 40 * LIGHT[:, None, None], LIGHT.astype(int))

KINDS = {
    "table": lambda how: fit_table(TABLE, "y", augment="noise,mixup", hidden=(8,), **how),
    "text": lambda how: fit_texts(TEXTS, "kind", augment="deletion,swap", reader="convolution", **how),
    "series": lambda how: fit_series(SERIES, "sold", augment="noise", **how),
    "images": lambda how: fit_images(PIXELS, augment="light,mixup", filters=4, **how),
}


def weights(fitted):
    return [leaf.tolist() for leaf in sl.train.program.tree.leaves(fitted.model.state())]


@pytest.mark.parametrize("kind", KINDS)
def test_the_middle_of_an_epoch_is_a_place_to_go_on_from(kind, tmp_path):
    def fit(**how):
        optimizer = sl.optim.AdamW(sl.optim.CosineDecay(0.01, 60), use_ema=True)
        return KINDS[kind]({"epochs": 3, "batch_size": 16, "verbose": 0, "dropout": 0.2, "optimizer": optimizer, **how})

    whole = weights(fit())
    for batches in (2, 8):
        with pytest.raises(sl.train.Interrupted):
            fit(callbacks=[Stop(batches)], checkpoint=tmp_path / str(batches))
        assert weights(fit(checkpoint=tmp_path / str(batches), resume=True)) == whole
