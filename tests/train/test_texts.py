"""From raw texts to a model that takes raw texts, alone and beside numbers."""

import numpy as np
import polars as pl
import pytest

from saltus import nn
from saltus.base.errors import ArgumentError, DataError, ModelFileError, UnknownNameError
from saltus.train import TextModel, TextOptions, fit_table, fit_texts

GOOD, BAD = ["moving", "fine", "clever", "warm", "bright"], ["dull", "loud", "stale", "cold", "grim"]
FILLER = ["film", "plot", "cast", "music", "scene", "story", "end", "part", "hour", "line"]


def reviews(count=600, seed=0):
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, count)
    texts = []
    for kind in label:
        words = [*rng.choice(GOOD if kind else BAD, 2), *rng.choice(GOOD if not kind else BAD, 1), *rng.choice(FILLER, 7)]
        texts.append(" ".join(rng.permutation(words)))
    return pl.DataFrame({"review": texts, "label": np.where(label, "good", "bad")})


@pytest.fixture(scope="module")
def model():
    return fit_texts(reviews(), verbose=0)


def test_opinions_are_learnt_from_words(model):
    assert model.scores["accuracy"] > 0.9 > model.baseline["accuracy"]
    assert model.predict(["a fine and moving film", "Dull, stale!"]).tolist() == ["good", "bad"]
    shares = model.predict_proba(["fine fine", "grim"])
    assert shares.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert model.predict(["entirely unseen vocabulary"]).shape == (1,)


def test_the_model_file_holds_the_vocabulary(model, tmp_path):
    model.save(tmp_path / "m.saltus")
    back = TextModel.load(tmp_path / "m.saltus")
    new = reviews(50, seed=7)
    assert (back.predict(new) == model.predict(new)).all()
    assert back.evaluate(new).scores == model.evaluate(new).scores
    assert str(back.describe()) == str(model.describe())
    (tmp_path / "new.txt").write_text("a fine and clever film\nloud and dull\n")
    made = back.predictions(tmp_path / "new.txt")
    assert made.beside["label (predicted)"].to_list() == ["good", "bad"]
    fit_table({"a": np.arange(40) % 7, "y": np.arange(40) % 3}, epochs=1, verbose=0).save(tmp_path / "t.saltus")
    with pytest.raises(ModelFileError, match="not trained on texts"):
        TextModel.load(tmp_path / "t.saltus")


def test_folders_are_classes_and_files_can_be_predicted(tmp_path):
    for place, (text, label) in enumerate(reviews(200).iter_rows()):
        (tmp_path / "all" / label).mkdir(parents=True, exist_ok=True)
        (tmp_path / "all" / label / f"{place}.txt").write_text(text)
    made = fit_texts(tmp_path / "all", verbose=0)
    assert made.target == "class" and made.classes == ("bad", "good")
    assert [row["name"] for row in made.describe().columns] == ["text", "class"]  # the file's name is no feature
    assert made.evaluate(tmp_path / "all").scores["accuracy"] > 0.9
    file = next((tmp_path / "all" / "good").iterdir())
    assert made.predictions([str(file)]).given["file"].to_list() == [str(file)]


def test_the_same_seed_gives_the_same_model():
    made = [fit_texts(reviews(200), epochs=2, seed=seed, verbose=0).predict_proba(["fine film"]) for seed in (1, 1, 2)]
    assert (made[0] == made[1]).all()
    assert (made[0] != made[2]).any()


@pytest.mark.parametrize("tokenizer", ["characters", "bpe", "wordpiece"])
def test_other_tokenizers_learn_too(tokenizer):
    made = fit_texts(reviews(300), tokenizer=tokenizer, tokenizer_size=200, verbose=0)
    assert made.scores["accuracy"] > 0.8
    assert tokenizer in str(made.describe())


@pytest.mark.parametrize("reader", ["convolution", "recurrent"])
def test_the_order_of_words_is_learnt_by_readers_of_order(reader, tmp_path):
    rng = np.random.default_rng(3)
    first = rng.integers(0, 2, 500)
    texts = [" ".join([*rng.choice(FILLER, 3), *(("early", "late") if f else ("late", "early")), *rng.choice(FILLER, 3)]) for f in first]
    table = {"text": texts, "label": np.where(first, "yes", "no").tolist()}
    made = fit_texts(table, reader=reader, verbose=0, epochs=20)
    assert made.scores["accuracy"] > 0.9
    assert fit_texts(table, grams=1, verbose=0).scores["accuracy"] < 0.75
    made.save(tmp_path / "m.saltus")
    assert (TextModel.load(tmp_path / "m.saltus").predict(texts) == made.predict(texts)).all()
    new = ["film plot cast late early music scene story", "film plot cast early late music scene story"]
    assert made.predict(new).tolist() == ["no", "yes"]


def test_amounts_are_learnt_from_texts():
    table = reviews(800)
    stars = pl.Series("stars", [2.5 + sum(w in GOOD for w in t.split()) - sum(w in BAD for w in t.split()) / 2 for t in table["review"]])
    made = fit_texts(table.select("review").with_columns(stars), task="regression", verbose=0)
    assert made.task == "regression"
    assert made.scores["rmse"] < 0.5 * made.baseline["rmse"]


def test_texts_and_numbers_train_one_network():
    rng = np.random.default_rng(1)
    table = reviews(1200).with_columns(size=pl.Series(rng.normal(size=1200)))
    both = (table["label"] == "good").to_numpy() ^ (table["size"] > 0).to_numpy()  # neither tells anything alone
    table = table.drop("label").with_columns(y=pl.Series(np.where(both, "yes", "no")))
    made = fit_table(table, "y", verbose=0)
    assert made.scores["accuracy"] > 0.8
    assert fit_table(table.drop("size"), "y", verbose=0).scores["accuracy"] < 0.65


def test_options_are_checked_and_used():
    options = TextOptions(hidden=(6,), epochs=1, grams=1, verbose=0)
    made = fit_texts(reviews(100), options=options)
    assert [type(layer) for layer in made.model.network.layers][-1] is nn.Sequential
    assert made.encoder.encoders[0].vocabulary.grams == 1
    with pytest.raises(UnknownNameError, match="tokenizer"):
        fit_texts(reviews(100), tokeniser="bpe")
    with pytest.raises(UnknownNameError, match="recurrent"):
        fit_texts(reviews(100), reader="recurent")
    with pytest.raises(ArgumentError, match="grams is 2"):
        fit_texts(reviews(100), reader="recurrent", grams=2)
    with pytest.raises(DataError, match="no column 'reviews'; its columns are 'review', 'label'"):
        fit_texts(reviews(100), text="reviews")
    with pytest.raises(DataError, match="no column of free text"):
        fit_texts({"a": [1, 2, 3], "b": [1, 2, 1]})
