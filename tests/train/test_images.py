"""From raw images to a model that takes raw images, without a word about sizes, modes or channels."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

import saltus as sl
from saltus import nn
from saltus.base.errors import ArgumentError, DataError, ModelFileError, UnknownNameError
from saltus.data.encode_images import histogram
from saltus.train import ImageModel, ImageOptions, TabularModel, fit_images
from saltus.train.image_network import network_for
from saltus.train.images import moments

RNG = np.random.default_rng(5)
CLASSES = ("bars", "rings")


def picture(kind, side=14):
    """Bars or a ring somewhere in a noisy image."""
    made = RNG.integers(0, 90, (side, side))
    place = RNG.integers(3, side - 3, 2)
    rows, columns = np.mgrid[:side, :side]
    if kind == "rings":
        far = np.hypot(rows - place[0], columns - place[1])
        made[(far > 1.5) & (far < 3.5)] = 230
    else:
        made[:, place[0]] = made[:, (place[0] + 3) % side] = 230
    return made.astype(np.uint8)


def pictures(count, side=14):
    labels = [CLASSES[i % 2] for i in range(count)]
    return np.stack([picture(kind, side) for kind in labels]), labels


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Bars and rings in many formats, in folders of their names."""
    root = tmp_path_factory.mktemp("pictures")
    for kind in CLASSES:
        (root / kind).mkdir()
        for i in range(60):
            Image.fromarray(picture(kind)).save(root / kind / f"{i:02}.{('png', 'bmp', 'webp', 'gif')[i % 4]}")
    return root


@pytest.fixture(scope="module")
def model(folder):
    return fit_images(folder, epochs=12, verbose=0)


def test_a_folder_of_images_becomes_a_model_of_images(model, folder):
    assert model.task == "classification"
    assert model.classes == CLASSES
    assert model.rows == {"train": 86, "validation": 10, "test": 24}
    assert model.scores["accuracy"] > 0.9 > model.baseline["accuracy"]
    files = [folder / "bars" / "00.png", folder / "rings" / "03.gif"]
    assert model.predict(files).tolist() == ["bars", "rings"]
    shares = model.predict_proba(files)
    assert shares.shape == (2, 2)
    assert shares.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert model.evaluate(folder).scores["accuracy"] > 0.9


def test_files_folders_and_arrays_of_other_sizes_and_modes_are_predicted(model, folder, tmp_path):
    Image.fromarray(picture("rings")).convert("CMYK").resize((28, 28)).save(tmp_path / "a.tif")
    made = model.predictions([folder / "bars", tmp_path / "a.tif"])
    assert made.given["file"][-1] == str(tmp_path / "a.tif")
    assert made.frame.columns == ["class (predicted)", "probability of bars", "probability of rings"]
    assert made.frame["class (predicted)"].to_list()[-1] == "rings"
    assert (made.frame["class (predicted)"][:-1] == "bars").mean() > 0.9
    x, _ = pictures(8, side=20)
    assert model.predict(x).shape == (8,)
    assert model.predict(np.repeat(x[..., None], 3, axis=3)).tolist() == model.predict(x).tolist()
    assert model.predict(np.repeat(x[..., None], 3, axis=3) / 255).tolist() == model.predict(x).tolist()
    (tmp_path / "b.png").write_bytes(b"not a picture")
    with pytest.raises(DataError, match=r"b\.png: not an image"):
        model.predict([tmp_path / "b.png"])


def test_a_model_comes_back_from_its_file(model, folder, tmp_path):
    model.save(tmp_path / "m.saltus")
    back = ImageModel.load(tmp_path / "m.saltus")
    assert (back.predict_proba(folder) == model.predict_proba(folder)).all()
    assert (back.scores, back.rows, back.confused) == (model.scores, model.rows, model.confused)
    assert str(back.describe()) == str(model.describe())
    with pytest.raises(ModelFileError, match="not trained on a table"):
        TabularModel.load(tmp_path / "m.saltus")


def test_the_same_seed_gives_the_same_model(folder):
    first, second = (fit_images(folder, epochs=2, verbose=0, seed=4) for _ in range(2))
    assert (first.predict_proba(folder) == second.predict_proba(folder)).all()


def test_parts_of_the_source_are_kept(tmp_path):
    x, y = pictures(80)
    parts = {"x_train": x[:50], "y_train": y[:50], "x_val": x[50:60], "y_val": y[50:60], "x_test": x[60:], "y_test": y[60:]}
    assert fit_images(parts, epochs=1, verbose=0).rows == {"train": 50, "validation": 10, "test": 20}
    np.savez(tmp_path / "a.npz", x=x[:60], y=y[:60])
    made = fit_images(tmp_path / "a.npz", epochs=1, verbose=0, test=(x[60:], y[60:]), validation=0)
    assert made.rows == {"train": 60, "validation": 0, "test": 20}
    assert fit_images((x, y), epochs=1, verbose=0, test=None, validation=0).rows == {"train": 80, "validation": 0, "test": 0}


def test_evaluation_takes_the_test_part_and_says_so(model):
    x, y = pictures(30)
    judged = model.evaluate({"x_train": x[:20], "y_train": y[:20], "x_test": x[20:], "y_test": y[20:]})
    assert judged.rows == 10
    assert "its test part, 10 of 30 images" in judged.notes[0]


def test_normalisation_is_learnt_from_the_training_part_and_lies_in_the_model():
    x, y = pictures(60)
    x[40:] //= 2
    parts = {"x_train": x[:40], "y_train": y[:40], "x_test": x[40:], "y_test": y[40:]}
    made = fit_images(parts, epochs=1, verbose=0, validation=0)
    first = made.model.network.layers[0]
    assert first.scale[0] == pytest.approx(1 / x[:40].std(), rel=1e-6)
    assert first.offset[0] == pytest.approx(-x[:40].mean() / x[:40].std(), rel=1e-6)
    colours = RNG.integers(0, 255, (5, 6, 7, 3)).astype(np.uint8)
    mean, spread = moments(histogram(colours))
    np.testing.assert_allclose(mean, colours.mean(axis=(0, 1, 2)))
    np.testing.assert_allclose(spread, colours.std(axis=(0, 1, 2)))


def test_options_are_checked_and_used(folder):
    own = nn.Sequential([nn.Flatten(), nn.Dense(2)])
    made = fit_images(folder, ImageOptions(network=own, epochs=2, size=(8, 10), resize="stretch", channels=3, batch_size=30), verbose=0)
    assert made.encoder.form.height == 8
    assert made.model.network.layers[1:] == own.layers
    assert made.model.params["dense"]["kernel"].shape == (240, 2)
    with pytest.raises(UnknownNameError, match="did you mean 'epochs'"):
        fit_images(folder, epcohs=2)
    with pytest.raises(UnknownNameError, match="did you mean 'cosine'"):
        fit_images(folder, schedule="cosinus")
    with pytest.raises(ArgumentError, match="channels"):
        fit_images(folder, channels=4)


def test_damaged_files_stop_the_training_unless_they_are_to_be_left_out(folder, tmp_path):
    import shutil

    shutil.copytree(folder, tmp_path / "copy")
    for name in ("bars/00.png", "rings/01.bmp"):
        (tmp_path / "copy" / name).write_bytes(b"\x89PNG\r\n broken")
    with pytest.raises(DataError, match="2 of 120 image files cannot be read") as caught:
        fit_images(tmp_path / "copy", epochs=1, verbose=0)
    assert "00.png" in str(caught.value)
    assert "01.bmp" in str(caught.value)
    told = []
    made = fit_images(tmp_path / "copy", epochs=1, verbose=0, skip_corrupt=True, told=told.append)
    assert sum(made.rows.values()) == 118
    assert len(told[0].describe().skipped) == 2
    assert "2 files that cannot be read left out" in str(told[0].describe())


def test_a_class_whose_training_images_are_all_damaged_is_refused(tmp_path):
    for name in ("train/a/1.png", "train/a/2.png", "train/b/1.png", "train/b/2.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture("bars")).save(tmp_path / name)
    for name in ("1", "2"):
        (tmp_path / f"train/b/{name}.png").write_bytes(b"x")
    with pytest.raises(DataError, match="no image of the class b can be read"):
        fit_images(tmp_path, skip_corrupt=True, validation=0, verbose=0)


@pytest.mark.parametrize(("height", "width", "channels"), [(8, 8, 1), (28, 28, 1), (32, 32, 3), (96, 128, 3), (128, 40, 3)])
def test_networks_fit_images_of_every_size(height, width, channels):
    network = network_for(height, width, channels, 7, 50_000, 0.1)
    assert nn.describe(network, nn.Spec((2, height, width, channels))).output.shape == (2, 7)


def test_few_images_get_a_narrow_network():
    few, many = (nn.describe(network_for(32, 32, 3, 10, n, 0.1), nn.Spec((1, 32, 32, 3))).count for n in (300, 30_000))
    assert few < many / 3


def test_an_interrupted_training_on_images_goes_on_exactly(tmp_path):
    import os
    import signal

    class Stop(sl.train.Callback):
        def on_epoch_end(self, epoch, logs):
            if epoch == 1:
                os.kill(os.getpid(), signal.SIGTERM)

    data = pictures(60)
    whole = fit_images(data, epochs=4, verbose=0)
    with pytest.raises(sl.train.Interrupted):
        fit_images(data, epochs=4, verbose=0, callbacks=[Stop()], checkpoint=tmp_path)
    parts = fit_images(data, epochs=4, verbose=0, checkpoint=tmp_path, resume=True)
    assert (parts.predict_proba(data[0]) == whole.predict_proba(data[0])).all()


# -- more than memory --------------------------------------------------------------------------------------------------


def weights(trained):
    return [leaf.tolist() for leaf in sl.train.program.tree.leaves(trained.model.state())]


def test_images_that_stay_in_their_files_train_the_same_weights(folder):
    how = {"epochs": 2, "verbose": 0, "balanced": True, "size": (12, 12)}
    there, streamed = fit_images(folder, **how), fit_images(folder, **how, memory=1000)
    assert weights(there) == weights(streamed)
    assert there.scores == streamed.scores
    assert str(there.describe()) == str(streamed.describe())


def test_streamed_images_are_never_all_in_memory(folder, monkeypatch):
    asked = []
    real = sl.data.encode_images.decode
    monkeypatch.setattr(sl.data.encode_images, "decode", lambda files, form: asked.append(len(files)) or real(files, form))
    monkeypatch.setattr(sl.data.image_rows, "_AT_ONCE", 16)
    monkeypatch.setattr(sl.train.fitted, "_AT_ONCE", 16)
    monkeypatch.setattr(sl.train.sources, "PIECE", 1)  # a batch a piece
    fit_images(folder, epochs=1, verbose=0, batch_size=16, memory=0, validation=0)
    assert max(asked) == 16
    assert sum(asked) > 2 * 120  # a look at all, an epoch, and the judgement


def test_streamed_images_that_cannot_be_read_are_named_before_training(folder, tmp_path):
    for kind in CLASSES:
        (tmp_path / kind).mkdir()
        for i in range(12):
            Image.fromarray(picture(kind)).save(tmp_path / kind / f"{i:02}.png")
    (tmp_path / "bars" / "05.png").write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"(?s)1 of 24 image files cannot be read.*05\.png: not an image"):
        fit_images(tmp_path, epochs=1, verbose=0, memory=0)
    trained = fit_images(tmp_path, epochs=1, verbose=0, memory=0, skip_corrupt=True)
    assert sum(trained.rows.values()) == 23
    with pytest.raises(ArgumentError, match="stacking needs its data in memory"):
        fit_images(folder, ensemble="stacking", memory=0, epochs=1, verbose=0)


def test_a_folder_of_images_trains_any_network(folder):
    network = nn.Sequential([nn.Rescaling(1 / 255), nn.Flatten(), nn.Dense(16, activation="relu"), nn.Dense(2)])
    trained = sl.Model(network, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    run = trained.fit(folder, epochs=2, batch_size=16, validation=0.25, class_weight="balanced", verbose=0)
    assert len(run["val_accuracy"]) == 2
    assert trained.evaluate(folder)["loss"] > 0
