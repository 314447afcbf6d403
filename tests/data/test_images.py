"""Images of every kind become arrays of one form; what cannot be used is refused by name."""

from __future__ import annotations

import gzip
import struct

import numpy as np
import pytest
from PIL import Image

from saltus.base.errors import ArgumentError, DataError, UnknownNameError
from saltus.data import ImageEncoder, read_images
from saltus.data.decode import ENDINGS, Form, decode, told, white_of
from saltus.data.images import holds_images

RNG = np.random.default_rng(3)


def ramp(height=24, width=32, channels=3):
    """Brightness grows from the top to the bottom."""
    rows = np.linspace(0, 255, height)[:, None, None]
    return np.broadcast_to(rows, (height, width, channels)).astype(np.uint8).copy()


def write(folder, names, size=(24, 32)):
    """Ramps under the given names."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(ramp(*size)).save(path)
    return folder


def one(path, **form):
    """The pixels of one file."""
    made = decode([path], Form(**{"height": 24, "width": 32, "channels": 3, **form}))
    assert made.unreadable == ()
    return made.pixels[0], made.treated


# -- modes, depths, rotations ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["png", "jpg", "webp", "bmp", "gif", "tif", "ppm", "tga"])
def test_a_picture_is_the_same_from_every_format(tmp_path, ending):
    assert f".{ending}" in ENDINGS
    Image.fromarray(ramp()).save(tmp_path / f"a.{ending}")
    pixels, _ = one(tmp_path / f"a.{ending}")
    np.testing.assert_allclose(pixels.astype(int), ramp(), atol=9)


@pytest.mark.parametrize(
    ("mode", "ending", "word"),
    [("L", "png", ""), ("1", "bmp", ""), ("P", "gif", "palette"), ("P", "png", "palette"), ("CMYK", "jpg", "CMYK"), ("CMYK", "tif", "CMYK"),
     ("RGBA", "png", ""), ("LA", "png", ""), ("YCbCr", "jpg", "")],
)  # fmt: skip
def test_every_mode_becomes_colour_or_grey(tmp_path, mode, ending, word):
    Image.fromarray(ramp()).convert(mode).save(tmp_path / f"a.{ending}")
    pixels, treated = one(tmp_path / f"a.{ending}")
    steps = pixels.mean(axis=(1, 2))
    assert steps[0] < 40
    assert steps[-1] > 215
    assert [*treated] == [word] * bool(word)
    grey, _ = one(tmp_path / f"a.{ending}", channels=1)
    assert grey.shape == (24, 32, 1)
    np.testing.assert_allclose(grey[..., 0], pixels.mean(axis=2), atol=3)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_transparent_is_laid_on_white_and_said(tmp_path, mode):
    alpha = np.zeros((24, 32), np.uint8)
    alpha[12:] = 255
    image = Image.fromarray(np.dstack([np.zeros((24, 32, 3), np.uint8), alpha]))
    image.convert(mode).save(tmp_path / "a.png")
    pixels, treated = one(tmp_path / "a.png")
    assert (pixels[:12] == 255).all()
    assert (pixels[12:] == 0).all()
    assert treated["alpha"] == 1
    assert "1 images transparent: laid on white" in told(treated)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_rotation_by_exif_is_undone(tmp_path, orientation):
    upright = ramp(24, 32)
    upright[:4, :4] = (255, 0, 0)
    turns = {2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
             5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
             8: Image.Transpose.ROTATE_270}  # fmt: skip
    stored = Image.fromarray(upright)
    if orientation in turns:  # each undoes what the orientation asks a viewer to do
        stored = stored.transpose(turns[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "a.jpg", exif=exif, quality=100, subsampling=0)
    pixels, treated = one(tmp_path / "a.jpg")
    assert np.abs(pixels.astype(int) - upright).mean() < 3
    assert treated["rotated"] == (orientation != 1)
    (tmp_path / "turned").mkdir()
    for name in ("a", "b"):
        (tmp_path / "turned" / name).mkdir()
        stored.save(tmp_path / "turned" / name / "1.jpg", exif=exif)
    form = encoder_of(tmp_path / "turned").form
    assert (form.height, form.width) == (24, 32)


@pytest.mark.parametrize(("top", "white"), [(255, 255), (1000, 1023), (4095, 4095), (60_000, 65_535)])
def test_deep_images_use_the_range_they_have(tmp_path, top, white):
    values = (ramp(channels=1)[..., 0] / 255 * top).astype(np.uint16)
    Image.fromarray(values).save(tmp_path / "a.png")
    assert white_of(values) == white
    pixels, treated = one(tmp_path / "a.png", channels=1, white=white_of(values))
    np.testing.assert_allclose(pixels[..., 0], values / white * 255, atol=1)
    assert treated["deep"] == 1


def test_real_numbers_in_tiff_are_read_too(tmp_path):
    Image.fromarray((ramp(channels=1)[..., 0] / 255).astype(np.float32)).save(tmp_path / "a.tif")
    np.testing.assert_allclose(one(tmp_path / "a.tif")[0], ramp(), atol=1)


def test_of_an_animation_the_first_picture_is_taken(tmp_path):
    first, second = (Image.fromarray(np.full((24, 32), v, np.uint8)) for v in (10, 200))
    first.save(tmp_path / "a.gif", save_all=True, append_images=[second])
    pixels, treated = one(tmp_path / "a.gif")
    assert (pixels == 10).all()
    assert treated["animated"] == 1


# -- sizes -------------------------------------------------------------------------------------------------------------


def test_cropping_fills_the_form_padding_keeps_all_and_stretching_changes_proportions(tmp_path):
    image = np.zeros((40, 80, 3), np.uint8)
    image[:, :20], image[:, 20:60], image[:, 60:] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    Image.fromarray(image).save(tmp_path / "a.png")
    crop, pad, stretch = (one(tmp_path / "a.png", height=20, width=20, resize=how)[0] for how in ("crop", "pad", "stretch"))
    assert (crop[:, 1:-1] == (0, 255, 0)).all()
    assert (pad[5:15, 6:14] == (0, 255, 0)).all()
    assert (pad[0] == pad[0, 0]).all()
    assert (stretch[:, :4] == (255, 0, 0)).all()
    assert (stretch[:, -4:] == (0, 0, 255)).all()


def encoder_of(folder, **options):
    images = read_images(folder)
    made = ImageEncoder(**options)
    made.fit(images, np.arange(len(images)))
    return made


def test_the_size_is_the_median_of_the_training_images_and_bounded(tmp_path):
    write(tmp_path, ["a/1.png", "a/2.png"], (24, 32))
    write(tmp_path, ["b/1.png"], (24, 32))
    assert (encoder_of(tmp_path).form.height, encoder_of(tmp_path).form.width) == (24, 32)
    write(tmp_path, ["b/2.png", "b/3.png", "b/4.png", "b/5.png"], (300, 400))
    form = encoder_of(tmp_path).form
    assert (form.height, form.width, form.channels) == (96, 128, 3)
    assert "24-300 x 32-400 pixels (height x width) become 96 x 128" in str(encoder_of(tmp_path).describe())
    assert encoder_of(tmp_path, size=(20, 10)).form.height == 20


def test_images_of_very_different_proportions_are_padded_and_others_cropped(tmp_path):
    write(tmp_path, ["a/1.png", "a/2.png", "b/1.png", "b/2.png"], (30, 34))
    write(tmp_path, ["b/3.png"], (34, 30))
    assert encoder_of(tmp_path).form.resize == "crop"
    assert encoder_of(tmp_path, resize="pad").form.resize == "pad"
    write(tmp_path, ["a/3.png"], (10, 90))
    encoder = encoder_of(tmp_path)
    assert encoder.form.resize == "pad"
    assert "pad: all is kept" in str(encoder.describe())
    with pytest.raises(UnknownNameError, match="squash"):
        ImageEncoder(resize="squash")
    with pytest.raises(ArgumentError, match="size"):
        ImageEncoder(size=(0, 4))


def test_grey_images_stay_grey_unless_one_has_colours(tmp_path):
    for name in ("a/1.png", "b/1.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(ramp(channels=1)[..., 0]).save(tmp_path / name)
    assert encoder_of(tmp_path).form.channels == 1
    write(tmp_path, ["b/2.png"])
    encoder = encoder_of(tmp_path)
    assert encoder.form.channels == 3
    assert "2 grey images among colours" in str(encoder.describe())
    assert encoder_of(tmp_path, channels=1).form.channels == 1


def test_the_order_and_the_pixels_do_not_depend_on_threads(tmp_path, monkeypatch):
    files = []
    for k in range(40):
        Image.fromarray(RNG.integers(0, 255, (30, 20 + k, 3)).astype(np.uint8)).save(tmp_path / f"{k}.jpg")
        files.append(tmp_path / f"{k}.jpg")
    found = []
    for threads in (1, 2, 3):
        monkeypatch.setattr("saltus.data.decode.settings.threads", lambda threads=threads: threads)
        found.append(decode(files, Form(16, 16, 3)).pixels)
    assert (found[0] == found[1]).all()
    assert (found[0] == found[2]).all()


# -- folders -----------------------------------------------------------------------------------------------------------


def test_a_folder_for_each_class(tmp_path):
    write(tmp_path, ["dog/b.png", "dog/a.png", "cat/x.jpg", "cat/deep/y.webp"])
    (tmp_path / "dog" / "notes.txt").write_text("good dogs")
    (tmp_path / "dog" / ".hidden.png").write_text("")
    (tmp_path / "__MACOSX").mkdir()
    images = read_images(tmp_path)
    assert [str(f.relative_to(tmp_path)) for f in images.files] == ["cat/x.jpg", "cat/deep/y.webp", "dog/a.png", "dog/b.png"]
    assert images.labels == ("cat", "cat", "dog", "dog")
    assert images.notes == ("1 file left out that is no image",)
    assert holds_images(tmp_path)


def test_folders_of_parts(tmp_path):
    write(tmp_path, ["train/a/1.png", "train/b/1.png", "val/a/2.png", "test/b/3.png"])
    images = read_images(tmp_path)
    assert sorted(zip(images.parts, images.labels, strict=True)) == [("test", "b"), ("train", "a"), ("train", "b"), ("validation", "a")]


@pytest.mark.parametrize(
    ("names", "empty", "message", "fix"),
    [
        (["a/1.png", "b/1.png"], ["c", "d"], "the class folders 'c', 'd' hold no images", "fill or remove them"),
        (["a/1.png", "b/1.png"], ["c"], "the class folder 'c' holds no images", "fill or remove it"),
        (["a/1.png", "a/2.png"], [], "has one class, 'a': there is nothing to tell apart", "add a folder for each other class"),
        (["all/a/1.png", "all/b/2.png"], [], "has one class, 'all'", "if a, b, ... are the classes, give"),
        (["1.png", "a/1.png", "b/1.png"], [], "1 image in", "move them to"),
        (["1.png", "2.png"], [], "2 images in", "are in no class folder: 1.png, 2.png"),
        ([], ["a", "b"], "holds no images", "put PNG, JPEG"),
        ([], [], "holds no class folders", "put the images of each class into a folder"),
        (["train/1.png", "train/a/1.png", "train/b/1.png", "test/a/2.png"], [], "1 image in", "train/<class>/"),
    ],
)  # fmt: skip
def test_a_folder_that_says_no_classes_is_refused(tmp_path, names, empty, message, fix):
    write(tmp_path, names)
    for name in empty:
        (tmp_path / name).mkdir()
    with pytest.raises(DataError) as caught:
        read_images(tmp_path)
    assert message in str(caught.value)
    assert fix in str(caught.value)


def test_what_is_not_there_or_no_image_is_refused(tmp_path):
    write(tmp_path, ["a.png"])
    for source, message in [
        (tmp_path / "nowhere", "there is no file or folder"), (tmp_path / "a.png", "is one image"), (7, "cannot be read from a int"),
        ([str(tmp_path / "a.png")], "says nothing of classes"), (np.zeros((2, 4, 4)), "has no classes"),
    ]:  # fmt: skip
        with pytest.raises(DataError, match=message):
            read_images(source)
    assert len(read_images(tmp_path / "a.png", labelled=False)) == 1
    (tmp_path / "table").mkdir()
    (tmp_path / "table" / "a.csv").write_text("a,b\n1,2\n")
    assert not holds_images(tmp_path / "table")


# -- damaged files -----------------------------------------------------------------------------------------------------


def damaged(folder):
    """A folder with good files and one of every damage."""
    write(folder, ["a/1.png", "a/2.png", "b/1.png", "b/2.png"])
    noise = Image.fromarray(RNG.integers(0, 255, (40, 40, 3)).astype(np.uint8))
    noise.save(folder / "a" / "whole.jpg")
    noise.save(folder / "a" / "whole.png")
    (folder / "a" / "cut.jpg").write_bytes((folder / "a" / "whole.jpg").read_bytes()[:700])
    (folder / "a" / "cut.png").write_bytes((folder / "a" / "whole.png").read_bytes()[:900])
    flipped = bytearray((folder / "a" / "whole.png").read_bytes())
    flipped[200] ^= 0xFF
    (folder / "b" / "flipped.png").write_bytes(flipped)
    (folder / "b" / "empty.png").write_bytes(b"")
    (folder / "b" / "text.jpg").write_text("this is no picture")
    return folder


def test_damaged_files_are_refused_all_by_name(tmp_path):
    with pytest.raises(DataError) as caught:
        encoder_of(damaged(tmp_path)).transform(tmp_path, target=True)
    text = str(caught.value)
    assert "5 of 11 image files cannot be read" in text
    for name, why in [("cut.jpg", "ends too early"), ("cut.png", "ends too early"), ("flipped.png", "damaged"),
                      ("empty.png", "the file is empty"), ("text.jpg", "not an image")]:  # fmt: skip
        assert any(name in line and why in line for line in text.splitlines())
    assert "--skip-corrupt" in text
    assert "whole" not in text


def test_damaged_files_are_left_out_when_asked_and_named(tmp_path):
    made = encoder_of(damaged(tmp_path), skip_corrupt=True).transform(tmp_path, target=True)
    assert len(made) == 6
    assert made.target.tolist() == [0, 0, 0, 0, 1, 1]
    assert sum("cannot be read left out" in note for note in made.notes) == 1
    assert "text.jpg: not an image" in made.notes[-1]


def test_a_folder_with_nothing_but_damaged_files_is_refused(tmp_path):
    write(tmp_path, ["a/1.png", "b/1.png"])
    for file in tmp_path.rglob("*.png"):
        file.write_bytes(b"x")
    with pytest.raises(DataError, match="none of the 2 files"):
        encoder_of(tmp_path, skip_corrupt=True)


def test_a_class_that_training_never_saw_is_refused(tmp_path):
    encoder = encoder_of(write(tmp_path / "one", ["a/1.png", "b/1.png"]))
    write(tmp_path / "two", ["a/1.png", "c/1.png"])
    with pytest.raises(DataError, match="of the class 'c', which no training image has"):
        encoder.transform(tmp_path / "two", target=True)


def test_without_pillow_the_command_that_installs_it_is_named(monkeypatch, tmp_path):
    import sys

    from saltus.data import decode as module
    from saltus.data.lazy import LazyModule

    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    monkeypatch.setattr(module, "Image", LazyModule("PIL.Image"))
    with pytest.raises(ArgumentError, match=r"pip install .saltus\[images\]"):
        encoder_of(write(tmp_path, ["a/1.png", "b/1.png"]))


# -- arrays, IDX, NPZ --------------------------------------------------------------------------------------------------


def idx(array, code=8):
    return struct.pack(">HBB", 0, code, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


X = RNG.integers(0, 255, (20, 6, 5)).astype(np.uint8)
Y = (np.arange(20) % 4).astype(np.uint8)


def test_idx_files_named_as_those_of_mnist(tmp_path):
    for part, rows in (("train", slice(0, 15)), ("t10k", slice(15, 20))):
        (tmp_path / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(X[rows])))
        (tmp_path / f"{part}-labels-idx1-ubyte").write_bytes(idx(Y[rows]))
    images = read_images(tmp_path)
    order = [*images.rows("train"), *images.rows("test")]
    assert (images.pixels[order][..., 0] == X).all()
    assert np.array(images.labels)[order].tolist() == Y.tolist()
    assert holds_images(tmp_path / "t10k-images-idx3-ubyte.gz")
    single = read_images(tmp_path / "t10k-images-idx3-ubyte.gz")
    assert (single.pixels[..., 0] == X[15:]).all()
    assert single.labels == tuple(Y[15:].tolist())
    with pytest.raises(DataError, match="holds labels, no images"):
        read_images(tmp_path / "train-labels-idx1-ubyte")


@pytest.mark.parametrize(
    ("content", "message"),
    [(idx(X)[:-5], "header promises 20 x 6 x 5 values of 1 bytes, that is 600 bytes, but 595 follow"), (b"PNG", "is not an IDX file"),
     (gzip.compress(idx(X), mtime=0)[:80], "compressed data end too early")],
)  # fmt: skip
def test_damaged_idx_files_are_refused(tmp_path, content, message):
    (tmp_path / "train-images-idx3-ubyte").write_bytes(content)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(Y))
    with pytest.raises(DataError, match=message):
        read_images(tmp_path)


def test_idx_images_without_fitting_labels_are_refused(tmp_path):
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(X))
    with pytest.raises(DataError, match="has no labels"):
        read_images(tmp_path)
    assert len(read_images(tmp_path, labelled=False)) == 20
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(Y[:-1]))
    with pytest.raises(DataError, match="has 20 images, but train-labels-idx1-ubyte has labels of the shape"):
        read_images(tmp_path)


@pytest.mark.parametrize(
    "names",
    [("x_train", "y_train", "x_test", "y_test"), ("train_images", "train_labels", "test_images", "test_labels"),
     ("X_train", "Y_train", "X_test", "Y_test")],
)  # fmt: skip
def test_npz_files_with_parts(tmp_path, names):
    np.savez_compressed(tmp_path / "a.npz", **dict(zip(names, (X[:15], Y[:15, None], X[15:], Y[15:, None]), strict=True)))
    images = read_images(tmp_path / "a.npz")
    assert holds_images(tmp_path / "a.npz")
    assert (images.pixels[..., 0] == X).all()
    assert images.labels == tuple(Y.tolist())
    assert images.parts == ("train",) * 15 + ("test",) * 5


@pytest.mark.parametrize("names", [("images", "labels"), ("x", "y"), ("X", "y"), ("data", "target")])
def test_npz_files_without_parts(tmp_path, names):
    np.savez(tmp_path / "a.npz", **dict(zip(names, (X, np.eye(4)[Y]), strict=True)))
    images = read_images(tmp_path / "a.npz")
    assert images.labels == tuple(Y.tolist())
    assert set(images.parts) == {""}


def test_npz_files_that_cannot_be_used_are_refused(tmp_path):
    path = tmp_path / "a.npz"
    for arrays, message in [
        ({"weights": X}, r"holds weights \(20, 6, 5\): none is named as images are"), ({"x": X}, "x has no labels among x"),
        ({"x": X, "y": np.array([{}] * 20)}, "never loaded"), ({"x": X, "y": Y[:5]}, "20 images, but labels of the shape"),
        ({"x": X, "y": Y + 0.5}, "no classes"), ({"x": X.astype(str), "y": Y}, "expected numbers"),
    ]:  # fmt: skip
        np.savez(path, **arrays)
        with pytest.raises(DataError, match=message):
            read_images(path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataError, match="is not an NPZ file, or damaged"):
        read_images(path)


def test_arrays_of_every_type_and_layout():
    def pixels(x, **options):
        images = read_images((x, Y))
        encoder = ImageEncoder(**options)
        encoder.fit(images, np.arange(20))
        return encoder.encode(images, np.arange(20), target=True).pixels

    plain = pixels(X)
    assert (plain[..., 0] == X).all()
    assert (pixels(X / 255) == plain).all()
    assert (pixels(X.astype(np.float32)) == plain).all()
    assert (pixels(X.astype(np.int64)) == plain).all()
    assert np.abs(pixels((X * 257.0).astype(np.uint16)).astype(int) - plain).max() <= 1
    colour = RNG.integers(0, 255, (20, 6, 5, 3)).astype(np.uint8)
    assert (pixels(colour) == colour).all()
    assert (pixels(np.moveaxis(colour, 3, 1)) == colour).all()
    square = RNG.integers(0, 255, (20, 36)).astype(np.uint8)
    assert pixels(square).shape == (20, 6, 6, 1)
    assert pixels(np.concatenate([colour, np.full((20, 6, 5, 1), 255, np.uint8)], axis=3)).shape == (20, 6, 5, 3)
    assert pixels(X, size=(12, 10)).shape == (20, 12, 10, 1)


@pytest.mark.parametrize(
    ("x", "message"),
    [(X / 100 - 1, "has values from -1.0"), (np.where(X > 250, np.nan, X), "hold NaN or infinity"), (X[:, 0], "expected .N, H, W."),
     (X[:0], "holds no images")],
)  # fmt: skip
def test_arrays_that_are_no_images_are_refused(x, message):
    with pytest.raises(DataError, match=message):
        read_images((x, Y[: len(x)]))


def test_an_encoder_comes_back_from_its_file_form(tmp_path):
    write(tmp_path, ["a/1.png", "a/2.png", "b/1.png"], (50, 60))
    encoder = encoder_of(tmp_path, size=(16, 20))
    back = ImageEncoder.from_config(encoder.to_config())
    assert (back.transform(tmp_path, target=True).pixels == encoder.transform(tmp_path, target=True).pixels).all()
    assert str(back.describe()) == str(encoder.describe())
    assert back.decode_target(np.array([[0.1, 0.9], [0.8, 0.2]])).tolist() == ["b", "a"]


def test_files_of_a_list_that_are_missing_are_counted_and_named(tmp_path):
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "there.png")
    names = [tmp_path / f"{name}.png" for name in ("there", "gone", "lost")]
    with pytest.raises(DataError, match=r"2 of 3 files are not there: .*gone\.png, .*lost\.png"):
        read_images(names, labelled=False)
