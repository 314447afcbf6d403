"""Augmentation in training: `fit(augment=...)`, its names, and what is done before."""

import numpy as np
import pytest

import saltus as sl
from saltus import nn
from saltus.base.errors import ArgumentError, DataError, ShapeError, UnknownNameError
from saltus.data import keyboard_typos, recognition_typos, smote
from saltus.data.decode import Form
from saltus.train import Callback, Model
from saltus.train.images import ImageOptions, fit_images, prepare_images
from saltus.train.presets import standard, suited
from saltus.train.tabular import fit_table
from saltus.train.texts import fit_texts

RNG = np.random.default_rng(0)
Y = np.arange(72) % 3
IMAGES = (RNG.integers(0, 100, (72, 8, 8, 1)) + 50 * Y[:, None, None, None]).astype("uint8")
CHANGES = [nn.RandomFlip("horizontal"), nn.RandomRotation(0.1), nn.RandomBrightness(0.3), nn.RandomNoise(20.0)]


def classifier(rate=0.02, seed=0):
    layers = [nn.Rescaling(1 / 255), nn.Conv2D(4, 3, activation="relu"), nn.Flatten(), nn.Dropout(0.2 if rate else 0.0), nn.Dense(3)]
    how = {"loss": "sparse_categorical_crossentropy", "optimizer": sl.optim.Adam(rate), "metrics": ["accuracy"], "seed": seed}
    return Model(nn.Sequential(layers), **how)


def weights(model):
    return [leaf.numpy() for leaf in sl.train.program.tree.leaves(model.state())]


def losses(**how):
    """Of a network that does not learn, over three epochs."""
    run = classifier(0.0).fit(IMAGES, Y, epochs=3, verbose=0, **how)
    return [record["loss"] for record in run.records]


def test_a_samples_change_follows_from_seed_epoch_and_place_alone():
    whole = losses(batch_size="full", augment=CHANGES)
    for size in (5, 32):
        assert losses(batch_size=size, augment=CHANGES) == pytest.approx(whole, rel=1e-4)
    assert len({round(loss, 4) for loss in whole}) == 3  # other changes in each epoch
    assert losses(batch_size="full") == pytest.approx([losses(batch_size=32)[0]] * 3, rel=1e-5)
    assert losses(batch_size="full", augment=CHANGES, seed=7) != pytest.approx(whole, rel=1e-4)


def test_validation_and_evaluation_see_the_samples_as_they_are():
    model = classifier(0.0)
    run = model.fit(IMAGES, Y, epochs=2, verbose=0, augment=CHANGES, validation=(IMAGES, Y))
    plain = model.evaluate(IMAGES, Y)["loss"]
    assert [record["val_loss"] for record in run.records] == pytest.approx([plain] * 2, rel=1e-5)
    assert run.records[0]["loss"] != pytest.approx(plain, rel=1e-3)


class Stop(Callback):
    def __init__(self, steps):
        self.left = steps

    def on_train_batch_end(self, batch, logs):
        self.left -= 1
        if not self.left:
            raise RuntimeError("stop")


def test_a_training_that_was_cut_off_in_an_epoch_goes_on_exactly(tmp_path):
    change = [*CHANGES, nn.MixUp()]
    through = classifier()
    through.fit(IMAGES, Y, epochs=3, batch_size=16, verbose=0, augment=change)
    with pytest.raises(RuntimeError, match="stop"):
        classifier().fit(IMAGES, Y, epochs=3, batch_size=16, verbose=0, augment=change, checkpoint=tmp_path, checkpoint_seconds=0.0,
                         callbacks=[Stop(7)])  # fmt: skip
    resumed = classifier()
    resumed.fit(IMAGES, Y, epochs=3, batch_size=16, verbose=0, augment=change, checkpoint=tmp_path, resume=True)
    assert all(np.array_equal(a, b) for a, b in zip(weights(through), weights(resumed), strict=True))
    with pytest.raises(ArgumentError, match="augment"):
        classifier().fit(IMAGES, Y, epochs=4, batch_size=16, verbose=0, augment=nn.RandomFlip(), checkpoint=tmp_path, resume=True)


@pytest.mark.parametrize("change", [nn.MixUp(), nn.CutMix(), [nn.RandomFlip(), nn.MixUp()]], ids=["mixup", "cutmix", "behind others"])
def test_networks_learn_from_mixed_classes(change):
    model = classifier()
    model.fit(IMAGES, Y, epochs=30, batch_size=8, verbose=0, augment=change)
    assert model.evaluate(IMAGES, Y)["accuracy"] > 0.8


def test_mixed_class_numbers_cost_what_their_shares_cost():
    soft, hard = nn.losses.CategoricalCrossentropy(label_smoothing=0.1), nn.losses.SparseCategoricalCrossentropy(label_smoothing=0.1)
    shares = sl.asarray([[0.7, 0.3], [0.0, 1.0]])
    said = sl.asarray([[0.6, 0.4], [0.1, 0.9]])
    assert np.allclose(np.asarray(hard.of_shares()(shares, said)), np.asarray(soft(shares, said)))


@pytest.mark.parametrize(
    ("loss", "last", "y"),
    [("mse", nn.Dense(1), Y[:, None].astype("float32")),
     ("binary_crossentropy", nn.Dense(1, activation="sigmoid"), (Y[:, None] > 0).astype("int64")),
     ("categorical_crossentropy", nn.Dense(3), np.eye(3, dtype="float32")[Y])],
    ids=["numbers", "two classes", "one-hot"],
)  # fmt: skip
def test_other_targets_are_mixed_too(loss, last, y):
    rows = RNG.normal(size=(72, 4)).astype("float32")
    model = Model(nn.Sequential([last]), loss=loss, optimizer=sl.optim.Adam(0.05))
    run = model.fit(rows, y, epochs=5, verbose=0, augment=nn.MixUp())
    assert run.records[-1]["loss"] < run.records[0]["loss"]


def test_a_function_of_the_batch_is_compiled_in():
    def darker(x, y, key):
        return x.astype("float32") * sl.random.uniform(key, (), low=0.5, high=1.0), y

    assert losses(augment=darker) != pytest.approx(losses(), rel=1e-3)
    with pytest.raises(ArgumentError, match="expected \\(x, y\\)"):
        losses(augment=lambda x, y, key: x)
    with pytest.raises(ShapeError, match="must keep the shape"):
        losses(augment=lambda x, y, key: (x[:, :4], y))


def test_several_inputs_have_changes_of_their_own():
    a, b = RNG.normal(size=(40, 3)).astype("float32"), RNG.integers(0, 4, (40, 2)).astype("int32")
    y = RNG.normal(size=(40, 1)).astype("float32")

    def loss(augment):
        first, second = nn.Input((3,)), nn.Input((2,), "int32")
        network = nn.Network([first, second], nn.Dense(1)(nn.Concatenate()(first, nn.Flatten()(nn.Embedding(4, 2)(second)))))
        model = Model(network, loss="mse", optimizer=sl.optim.SGD(0.0))
        return model.fit((a, b), y, verbose=0, augment=augment).records[0]["loss"]

    assert loss((nn.RandomNoise(1.0), None)) != pytest.approx(loss(None), rel=1e-3)
    assert loss(nn.RandomNoise(1.0)) != pytest.approx(loss(None), rel=1e-3)  # numbers suit, categories do not
    assert loss(nn.MixUp()) != pytest.approx(loss(None), rel=1e-3)
    with pytest.raises(ArgumentError, match="one list of layers, or None, for each input"):
        loss((nn.RandomNoise(1.0),))
    with pytest.raises(ArgumentError, match="suits none"):
        loss(nn.RandomTokenSwap())


def test_what_is_no_augmentation_is_refused():
    with pytest.raises(ArgumentError, match="expected layers or a function"):
        losses(augment="flip")
    with pytest.raises(ShapeError, match="must keep the shape"):
        losses(augment=nn.RandomCrop(4, 4))


def test_images_tables_and_texts_take_names():
    assert fit_images((IMAGES, Y), epochs=1, verbose=0, augment="standard,mixup").rows["train"]
    with pytest.raises(UnknownNameError, match="kind images"):
        fit_images((IMAGES, Y), epochs=1, verbose=0, augment="sideways")
    table = {"a": np.arange(60.0), "b": np.arange(60.0) % 7, "kind": ["x"] * 48 + ["y"] * 12}
    for name in ("noise", "mixup", "smote,features", "none"):
        assert fit_table(table, "kind", epochs=2, verbose=0, augment=name).rows["train"] == 43
    with pytest.raises(ArgumentError, match="categories or texts"):
        fit_table({**table, "c": ["p", "q"] * 30}, "kind", epochs=1, verbose=0, augment="smote")
    texts = {"text": ["a fine and moving film", "what a dull film"] * 20, "label": ["good", "bad"] * 20}
    assert fit_texts(texts, epochs=1, verbose=0, augment="standard").rows["train"]


def test_standard_leaves_out_what_would_change_the_class_of_images():
    photograph, digit = Form(96, 96, 3), Form(28, 28, 1)
    assert standard(photograph, ["cat", "dog"]) == (("shift", "mirror", "turn", "tone"), "")
    assert "mirror" not in standard(photograph, list("abc"))[0]
    assert standard(digit, range(10))[0] == ("shift",)
    assert suited("standard, mixup,shift", digit)[0] == "shift,mixup"
    assert suited("mixup", digit) == ("mixup", "")
    given = [nn.RandomFlip()]
    assert suited(given, digit)[0] is given


def test_a_model_says_what_standard_was_and_that_it_learns_longer():
    def changes(**options):
        return fit_images((IMAGES, Y), verbose=0, batch_size=len(Y), **options).encoder.describe().changes

    said = " ".join(changes(augment="standard", epochs=1))
    assert "augmentation standard is shift" in said
    assert "no mirror" in said
    assert "passes" not in said
    plain, changed = (prepare_images((IMAGES, Y), ImageOptions(augment=name)) for name in (None, "standard"))
    assert changed.epochs > plain.epochs
    assert f"{changed.epochs} passes" in " ".join(changed.encoder.describe().changes)


def test_smote_fills_rare_classes_between_their_rows():
    x = np.concatenate([RNG.normal(size=(30, 2)), RNG.normal(size=(4, 2)) + 10]).astype("float32")
    y = np.array([0] * 30 + [1] * 4)
    more, labels = smote(x, y, neighbours=2)
    assert np.bincount(labels).tolist() == [30, 30]
    assert np.array_equal(more[:34], x)
    made, own = more[34:], x[30:]
    for row in made:  # on a line between two rows of the class
        gaps = [abs(np.linalg.norm(row - a) + np.linalg.norm(row - b) - np.linalg.norm(a - b)) for a in own for b in own]
        assert min(gaps) < 1e-4
    assert np.array_equal(smote(x, y, neighbours=2)[0], more)
    with pytest.raises(DataError, match="single row"):
        smote([[0.0], [1.0], [2.0]], [0, 0, 1])


def test_slips_are_near_keys_and_look_alikes():
    text = "the quick brown fox jumps over the lazy dog " * 5
    slipped = keyboard_typos(text, 0.1, seed=1)
    assert slipped != text
    assert slipped == keyboard_typos(text, 0.1, seed=1)
    assert abs(len(slipped) - len(text)) < 20
    assert recognition_typos("0", 1.0) in "Oo"
    assert keyboard_typos("日本", 1.0) == "日本"
    with pytest.raises(ArgumentError, match="share"):
        keyboard_typos(text, 2.0)
