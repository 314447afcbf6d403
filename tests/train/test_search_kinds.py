"""A search over images, texts and series: the best network predicts raw data, and everything named is really varied."""

from __future__ import annotations

import pytest
from kinds_of_data import TEXTS, pictures, sales

from saltus import nn
from saltus.base.errors import ArgumentError, DataError, UnknownNameError
from saltus.train import kinds, spaces
from saltus.train.data_search import tune

pytest.importorskip("optuna")


def test_images_with_augmentation_among_the_choices():
    x, y = pictures()
    space = {"learning_rate": [1e-3, 1e-2], "width": [8, 12], "depth": [1, 2], "augment": ["none", "light"]}
    found = tune((x, y), space=space, trials=4, epochs=2, method="random", workers=2)
    assert found.model.predict(x[:5]).shape == (5,) and "accuracy" in found.model.scores
    chosen = found.params
    convolutions = [layer for layer in found.model.model.network.layers if isinstance(layer, nn.Conv2D)]
    assert convolutions[0].filters == chosen["width"]
    assert sum(isinstance(layer, nn.Residual) for layer in found.model.model.network.layers) == chosen["depth"]
    assert len({t.value for t in found.trials}) > 1


def test_texts_take_raw_texts():
    found = tune(TEXTS, "label", kind="text", space={"depth": [0, 1], "learning_rate": [3e-3, 3e-2]}, trials=3, epochs=6)
    assert set(found.model.predict(["a fine film", "dull"])) <= {"good", "bad"}
    assert found.model.rows["validation"] > 0 and len(found.curves()) >= 3


def test_series_forecast_and_stand_beside_the_naive_forecast():
    found = tune(sales(200), "sold", kind="series", horizon=(1, "week"), space={"width": [8, 16], "depth": [1, 2]}, trials=3, epochs=3)
    assert found.model.predict(sales(200)).shape == (1, 2)
    assert set(found.model.scores) == set(found.model.baseline)
    assert 0 <= found.model.shares.min() <= found.model.shares.max() <= 1  # chosen on the validation part, as in a fit


@pytest.mark.parametrize("kind", kinds.KINDS, ids=lambda kind: kind.name)
def test_every_dimension_of_a_space_changes_something(kind):
    given = {"images": (pictures(), None), "text": (TEXTS, "label"), "series": (sales(200), "sold"), "table": (sales(200), "sold")}
    data, target = given[kind.name]
    prepared = kind.prepare(data, target, kind.options(verbose=0))
    plain = prepared.build(prepared.options, 16, 2)
    for name, dimension in kind.space.items():
        if name in ("batch_size", "momentum"):
            continue  # of the training and the optimizer
        values = dimension.grid(5) if not hasattr(dimension, "values") else dimension.values
        made = []
        for value in values:
            params = {name: value, **({"depth": 1} if name == "activation" else {})}
            model = prepared.build(spaces.varied(prepared.options, params), 16, 2)
            network = spaces.initialized(model.network, params.get("initializer"))
            made.append((network, repr(model.optimizer), repr(model._loss)))
        assert len({repr(each) for each in made}) > 1, name
        assert type(made[0][0]) is type(plain.network)


def test_a_study_of_images_goes_on(tmp_path):
    x, y = pictures()
    how = {"space": {"learning_rate": [1e-3, 3e-3, 1e-2]}, "epochs": 1, "study": tmp_path / "study.db", "seed": 1}
    first = tune((x, y), trials=2, **how)
    again = tune((x, y), trials=3, resume=True, **how)
    assert [t.params for t in again.trials[:2]] == [t.params for t in first.trials] and len(again.trials) == 3
    with pytest.raises(ArgumentError, match="holds a study already"):
        tune((x, y), trials=3, **how)


def test_what_a_search_refuses():
    x, y = pictures()
    with pytest.raises(UnknownNameError, match="width"):
        tune((x, y), space={"widht": [8, 16]})
    with pytest.raises(UnknownNameError, match="standard"):
        tune((x, y), space={"augment": ["standrad"]})
    with pytest.raises(ArgumentError, match="nothing in it"):
        tune((x, y), space={})
    with pytest.raises(ArgumentError, match="single networks"):
        tune((x, y), ensemble="bagging")
    with pytest.raises(UnknownNameError, match="val_loss"):
        tune((x, y), space={"width": [8, 16]}, monitor="val_los", epochs=1, trials=1)
    with pytest.raises(DataError, match="no file or folder"):
        tune("/nonexistent", kind="images")
