"""Segmentation: the network beside PyTorch's, labels that do not count, scenes, CamVid's loader, pictures."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import arignote as ar
import arignote.tensor as T
from arignote.models.book.segnet import SegNet, coloured
from arignote.models.data import DataError, Dataset, Pair, load_camvid, load_dataset
from arignote.models.data.camvid import VOID
from arignote.models.imagetask import ImageTask
from arignote.models.model import SettingError
from arignote.models.training import History

RANDOM = np.random.default_rng(0)
MODEL = SegNet(batch=2, filters=3, window=3, stages=2)


def small_data(void: int | None = None) -> Dataset:
    def part(n: int) -> Pair:
        x = RANDOM.uniform(0, 1, (n, 3 * 64)).astype(np.float32)
        return Pair(x, RANDOM.integers(0, 4, (n, 64)).astype(np.int32))

    return Dataset("small", part(6), part(4), part(4), 4, (3, 8, 8), "random numbers", void=void)


def torch_segnet(torch: Any, p: list[Any], x: Any) -> Any:
    """Log-probabilities (pixels, classes), from parameters in the order in which the layers are made."""
    F = torch.nn.functional
    left = iter(p)

    def normal(x: Any) -> Any:
        x = F.conv2d(x, next(left), padding=1)
        beta, gamma, _, _ = (next(left) for _ in range(4))
        return F.batch_norm(x, None, None, gamma, beta, training=True, eps=1e-4)

    places = []
    for _ in range(MODEL.stages):
        x = F.relu(normal(x))
        x, where = F.max_pool2d(x, 2, return_indices=True)
        places.append(where)
    for where in reversed(places):
        x = normal(F.max_unpool2d(x, where, 2))
    scores = F.conv2d(x, next(left), next(left))
    return F.log_softmax(scores.permute(0, 2, 3, 1).reshape(-1, scores.shape[1]), 1)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-8), ("float32", 1e-4)])
def test_values_and_gradients_agree_with_torch(dtype: str, tolerance: float) -> None:
    torch = pytest.importorskip("torch")
    network = MODEL.network(3 * 64, 4, 3, dtype)
    assert network.training is not None
    X, y = RANDOM.normal(size=(5, 3 * 64)).astype(dtype), RANDOM.integers(0, 4, 5 * 64)
    x = T.matrix("x", dtype=dtype)
    p = network.training(x, {})
    trained = [network.parameters[name] for name in network.trained or ()]
    cost = -T.mean(T.log(p)[np.arange(len(y)), y])
    got = ar.function([x], [p, cost, *T.grad(cost, trained)])(X)
    values = [torch.tensor(v.get_value().astype("float64"), requires_grad=True) for v in network.parameters.values()]
    log_p = torch_segnet(torch, values, torch.tensor(X.astype("float64").reshape(5, 3, 8, 8)))
    loss = -log_p[np.arange(len(y)), y].mean()
    wanted = [v for v, name in zip(values, network.parameters, strict=True) if name in (network.trained or ())]
    want = [log_p.exp(), loss, *torch.autograd.grad(loss, wanted)]
    for number, (a, b) in enumerate(zip(got, want, strict=True)):
        b = b.detach().numpy()
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * np.abs(b).max(), err_msg=str(number))


def test_the_papers_size_and_images_that_do_not_fit() -> None:
    network = SegNet().network(3 * 32 * 32, 11, 0, "float32")
    assert sum(v.get_value().size for name, v in network.parameters.items() if name in (network.trained or ())) == (
        64 * 3 * 49 + 7 * 64 * 64 * 49 + 8 * 2 * 64 + 11 * 65
    )
    with pytest.raises(SettingError, match=r"stages=4 need images of 16 n rows, not 24"):
        SegNet().network(3 * 24 * 24, 11, 0, "float32")
    with pytest.raises(SettingError, match="window is an odd number"):
        SegNet(window=4)


def test_void_labels_do_not_count(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    data = small_data(void=3)
    task = ImageTask(MODEL, data, seed=0)
    x, y = data.valid.x[:2], data.valid.y[:2].reshape(-1)
    judged = y != 3
    labels, p = task.trainer.classifier.classify(x)
    loss, error = task.trainer.valid(0)
    np.testing.assert_allclose(loss, -np.log(p[np.arange(len(y)), y])[judged].mean(), rtol=1e-5)
    np.testing.assert_allclose(error, (labels != y)[judged].mean(), rtol=1e-6)
    first = float(task.trainer.train(0))
    # The loss of a step does not depend on what void pixels are called.
    assert first > 0 and float(task.trainer.train(0)) < first
    painters = task.pictures(History())
    for name in ("masks.png", "maps.png", "confusion.png"):
        painters[name](tmp_path / name)
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    colours = coloured(np.arange(4).reshape(1, 2, 2), data)
    assert colours.shape == (1, 3, 2, 2) and not colours[0, :, 1, 1].any()
    assert len(np.unique(colours.reshape(3, 4), axis=1).T) == 4


def test_scenes() -> None:
    data = load_dataset("scenes")
    assert data.image_shape == (3, 32, 32) and data.classes[0] == "ground" and len(data.classes) == data.n_classes == 6
    assert data.train.y.shape == (600, 1024) and set(np.unique(data.train.y)) == set(range(6))
    np.testing.assert_array_equal(load_dataset("scenes").test.x, data.test.x)
    # Pixels of the ground have nearly one colour, those of shapes another one.
    for x, y in zip(data.test.x[:20].reshape(20, 3, -1), data.test.y[:20], strict=True):
        ground = x[:, y == 0]
        centre = np.median(ground, axis=1, keepdims=True)
        assert np.median(np.abs(ground - centre)) < 0.08
        assert np.median(np.abs(x[:, y > 0] - centre).max(axis=0)) > 0.2


def camvid(folder: Path, n: int = 3, labels: Any = None) -> list[Any]:
    image = pytest.importorskip("PIL.Image")
    made = []
    for part in ("train", "test"):
        lines = []
        for i in range(n):
            pixels = RANDOM.integers(0, 256, (260, 300, 3), dtype=np.uint8)
            classes = RANDOM.integers(0, 12, (260, 300), dtype=np.uint8) if labels is None else labels
            image.fromarray(pixels).save(folder / f"{part}{i}.png")
            image.fromarray(classes).save(folder / f"{part}{i}l.png")
            lines.append(f"{part}{i}.png {part}{i}l.png\n")
            made.append((pixels, classes))
        (folder / f"{part}.txt").write_text("".join(lines))
    return made


def test_squares_of_camvid(tmp_path: Path) -> None:
    made = camvid(tmp_path)
    data = load_camvid(tmp_path)
    assert [len(part.x) for part in (data.train, data.valid, data.test)] == [8, 4, 12]
    assert (data.void, data.n_classes, data.image_shape) == (VOID, 12, (3, 128, 128))
    pixels, classes = made[1]
    want = pixels[4:, 44:].astype(float).reshape(128, 2, 128, 2, 3).mean(axis=(1, 3)).transpose(2, 0, 1) / 256
    np.testing.assert_allclose(data.train.x[7].reshape(3, 128, 128), want, rtol=1e-6)
    np.testing.assert_array_equal(data.train.y[7].reshape(128, 128), classes[4::2, 44::2])
    camvid(tmp_path, labels=np.full((260, 300), 12, np.uint8))
    with pytest.raises(DataError, match="labels up to 12"):
        load_camvid(tmp_path)
    camvid(tmp_path, labels=np.zeros((100, 300), np.uint8))
    with pytest.raises(DataError, match="of one size of at least 256"):
        load_camvid(tmp_path)
    (tmp_path / "train0.png").write_bytes(b"nonsense")
    with pytest.raises(DataError, match="expected a picture"):
        load_camvid(tmp_path)
    (tmp_path / "train.txt").write_text("one\n")
    with pytest.raises(DataError, match="lines of two names"):
        load_camvid(tmp_path)
