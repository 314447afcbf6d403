"""Numbers, texts and names of image files in one table train one network."""

import json

import numpy as np
import polars as pl
import pytest
from kinds_of_data import Stop

import saltus as sl
from saltus.base.errors import ArgumentError, DataError, UnknownNameError
from saltus.data import TableEncoder, image_column, infer_schema, read_table
from saltus.train import TabularModel, fit_table, larger
from saltus.train.kinds import load_fitted

Image = pytest.importorskip("PIL.Image")

QUICK = {"size": (12, 12), "hidden": (16,), "verbose": 0}


@pytest.fixture(scope="module")
def homes(tmp_path_factory):
    """A table beside a folder of pictures; the class follows from the picture's brightness and a number together."""
    folder = tmp_path_factory.mktemp("homes")
    (folder / "photos").mkdir()
    rng = np.random.default_rng(0)
    rows = {"area": [], "note": [], "photo": [], "price": []}
    for i in range(240):
        bright, area = int(rng.integers(2)), int(rng.integers(2))
        pixels = rng.integers(0, 90, (int(rng.integers(14, 20)), 16, 3)) + 160 * bright
        name = f"photos/{i:03}.{'png' if i % 3 else 'JPG'}"
        Image.fromarray(pixels.astype("uint8")).save(folder / name)
        rows["area"].append(area + 0.1 * float(rng.normal()))
        rows["note"].append(f"{'quiet' if rng.random() < 0.5 else 'busy'} street with number {i} in the old town")
        rows["photo"].append(name)
        rows["price"].append("high" if bright and area > 0.5 else "low")
    pl.DataFrame(rows).write_csv(folder / "homes.csv")
    return folder


@pytest.fixture(scope="module")
def model(homes):
    return fit_table(homes / "homes.csv", "price", epochs=25, **QUICK)


def rows_of(homes):
    return pl.read_csv(homes / "homes.csv")


def spoilt(homes, name, cells):
    """The table with other cells in some rows (counted from 1), under another name in the same folder."""
    frame = rows_of(homes)
    photos = frame["photo"].to_list()
    for row, cell in cells.items():
        photos[row - 1] = cell
    frame.with_columns(pl.Series("photo", photos)).write_csv(homes / name)
    return homes / name


def test_a_column_of_names_of_images_is_seen_and_said(homes):
    assert infer_schema(homes / "homes.csv")["photo"].kind == "image"
    encoder = TableEncoder().fit(homes / "homes.csv", "price")
    said = str(encoder.describe())
    assert "images of 16 x 16 pixels, colour" in said
    assert "240 images of 14-19 x 16-16 pixels" in said


def test_one_network_uses_picture_and_number(model):
    assert model.scores["accuracy"] > 0.9  # neither alone exceeds 0.75
    assert any("images of photo" in path for path in model.model.summary().to_json().split('"'))


def test_prediction_reads_the_pictures_beside_the_table_from_any_folder(model, homes, tmp_path, monkeypatch):
    model.save(tmp_path / "m.saltus")
    monkeypatch.chdir(tmp_path)
    loaded = load_fitted(tmp_path / "m.saltus")
    assert isinstance(loaded, TabularModel)
    np.testing.assert_array_equal(loaded.predict_proba(homes / "homes.csv"), model.predict_proba(homes / "homes.csv"))
    assert loaded.evaluate(homes / "homes.csv").scores["accuracy"] > 0.9


def test_names_in_memory_count_from_the_working_folder_or_are_full(model, homes, monkeypatch):
    frame = rows_of(homes).head(4)
    full = frame.with_columns(str(homes) + "/" + pl.col("photo"))
    monkeypatch.chdir(homes)
    np.testing.assert_array_equal(model.predict_proba(frame), model.predict_proba(full))


def test_the_encoder_is_the_same_after_a_way_through_json(homes):
    encoder = TableEncoder(image_size=(8, 8))
    made = encoder.fit_transform(homes / "homes.csv", "price")
    again = TableEncoder.from_config(json.loads(json.dumps(encoder.to_config()))).transform(homes / "homes.csv")
    assert made.images[0].shape == (240, 8, 8, 3)
    np.testing.assert_array_equal(made.images[0], again.images[0])


def test_unreadable_images_are_named_with_column_row_and_reason(homes):
    (homes / "photos/broken.png").write_bytes((homes / "photos/001.png").read_bytes()[:60])
    (homes / "photos/empty.png").write_bytes(b"")
    source = spoilt(homes, "bad.csv", {3: "photos/broken.png", 10: "photos/gone.png", 20: "photos/empty.png"})
    with pytest.raises(DataError) as caught:
        TableEncoder().fit(source, "price")
    for part in (
        "3 images of the column 'photo'",
        "row 3: ",
        "broken.png: ",
        "row 10: ",
        "no such file",
        "row 20: ",
        "is empty",
        "skip_corrupt",
    ):
        assert part in str(caught.value)


def test_the_row_named_is_that_of_the_file_wherever_it_falls(homes):
    source = spoilt(homes, "bad2.csv", {200: "photos/gone.png"})
    with pytest.raises(DataError, match=r"row 200: .*gone.png"):
        fit_table(source, "price", epochs=1, **QUICK)


def test_unreadable_images_are_missing_ones_when_asked_and_no_row_is_lost(homes):
    source = spoilt(homes, "bad3.csv", {3: "photos/gone.png", 7: None})
    encoder = TableEncoder(skip_corrupt=True)
    made = encoder.fit_transform(source, "price")
    assert len(made) == 240
    assert "photo (missing)" in made.number_names
    gone = made.numbers[:, made.number_names.index("photo (missing)")]
    assert np.flatnonzero(gone).tolist() == [2, 6]
    assert np.ptp(made.images[0][2], axis=(0, 1)).tolist() == [0, 0, 0]  # one even colour
    np.testing.assert_array_equal(made.images[0][2], made.images[0][6])
    assert "row 3: " in str(encoder.describe())
    assert len(encoder.transform(source, target=False)) == 240


def test_a_model_that_was_not_told_to_skip_refuses_them_in_prediction(model, homes):
    source = spoilt(homes, "bad4.csv", {5: "photos/gone.png"})
    with pytest.raises(DataError, match="row 5: "):
        model.predict(source)


def test_blank_cells_are_missing_images_where_training_had_none(model, homes):
    source = spoilt(homes, "blank.csv", {1: None})
    made = model.predictions(source)
    assert made.frame.height == 240
    assert any("photo: 1 value missing" in note for note in made.notes)


def test_names_whose_files_are_not_there_are_said_and_taken_for_text(homes, tmp_path):
    pl.read_csv(homes / "homes.csv").write_csv(tmp_path / "elsewhere.csv")
    schema = infer_schema(tmp_path / "elsewhere.csv")
    assert schema["photo"].kind == "identifier"
    assert "looks like names of images, but 240 of 240 files" in str(schema)
    assert str(tmp_path) in str(schema)


def test_the_user_may_say_what_the_column_is(homes, tmp_path):
    assert infer_schema(homes / "homes.csv", overrides={"photo": "drop"})["photo"].kind == "identifier"
    frame = pl.read_csv(homes / "homes.csv")
    frame.write_csv(tmp_path / "elsewhere.csv")
    with pytest.raises(DataError, match="none of the 240 files"):
        TableEncoder().fit(tmp_path / "elsewhere.csv", "price", overrides={"photo": "image"})


def test_a_target_of_names_of_images_is_a_class(homes):
    table = read_table(homes / "homes.csv")
    assert infer_schema(table, target="photo")["photo"].kind == "category"


def test_wrong_sizes_are_refused():
    with pytest.raises(ArgumentError, match="image_size"):
        TableEncoder(image_size=(0, 3))
    with pytest.raises(UnknownNameError):
        TableEncoder().fit({"a": [1, 2], "y": [1, 2]}, "y", overrides={"a": "picture"})


def test_a_table_read_in_blocks_decodes_its_pictures_block_by_block(homes):
    made = fit_table(homes / "homes.csv", "price", epochs=25, memory=100, **QUICK)
    assert made.scores["accuracy"] > made.baseline["accuracy"]
    assert made.predict(homes / "homes.csv").shape == (240,)


def test_tables_in_blocks_keep_few_pictures_in_memory(homes, monkeypatch):
    monkeypatch.setattr(larger, "PICTURES", 40)
    decoded = []
    decode = image_column.decode
    monkeypatch.setattr(image_column, "decode", lambda files, form: decoded.append(len(files)) or decode(files, form))
    model = fit_table(homes / "homes.csv", "price", epochs=1, memory=100, **QUICK)
    assert model.rows["train"] + model.rows["validation"] + model.rows["test"] == 240
    assert max(decoded) <= 42  # with a row of each class


def test_a_training_goes_on_from_the_middle_of_an_epoch(homes, tmp_path):
    def fit(**how):
        made = fit_table(homes / "homes.csv", "price", epochs=2, batch_size=16, **QUICK, **how)
        return [leaf.tolist() for leaf in sl.train.program.tree.leaves(made.model.state())]

    whole = fit()
    with pytest.raises(sl.train.Interrupted):
        fit(callbacks=[Stop(5)], checkpoint=tmp_path)
    assert fit(checkpoint=tmp_path, resume=True) == whole
