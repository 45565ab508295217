"""Affine transformations, augmentation, the prefetching pipeline and cluttered digits."""

import threading
import time

import numpy as np
import pytest

from arignote.models.data import (
    Canvas,
    Drawing,
    Feed,
    Pair,
    Pipeline,
    PipelineError,
    Stream,
    load_digits,
    make_cluttered,
)
from arignote.models.data import augment as au
from arignote.models.data.warp import affine

RANDOM = np.random.RandomState(0)
IMAGES = RANDOM.uniform(0, 1, (6, 3, 8, 10)).astype(np.float32)


def state(seed: int = 1) -> np.random.RandomState:
    return np.random.RandomState(seed)


def matrix(*rows: float) -> np.ndarray:
    return np.tile(np.reshape(rows, (1, 2, 3)), (len(IMAGES), 1, 1))


def test_affine() -> None:
    np.testing.assert_allclose(affine(IMAGES, matrix(1, 0, 0, 0, 1, 0), (8, 10)), IMAGES, rtol=1e-6)
    # A quarter of a turn, a flip, and a shift by one pixel: exact.
    turned = affine(IMAGES, matrix(0, -1, 0, 1, 0, 0), (10, 8))
    np.testing.assert_allclose(turned, np.rot90(IMAGES, 1, (2, 3)), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(affine(IMAGES, matrix(-1, 0, 0, 0, 1, 0), (8, 10)), IMAGES[..., ::-1], rtol=1e-6)
    shifted = affine(IMAGES, matrix(1, 0, 1, 0, 1, 0), (8, 10))
    np.testing.assert_allclose(shifted[..., :-1], IMAGES[..., 1:], rtol=1e-6)
    assert not shifted[..., -1].any()
    edge = affine(IMAGES, matrix(1, 0, 1, 0, 1, 0), (8, 10), edge=True)
    np.testing.assert_allclose(edge[..., -1], IMAGES[..., -1], rtol=1e-6)
    # Half a pixel: the mean of neighbours.
    half = affine(IMAGES, matrix(1, 0, 0, 0, 1, 0.5), (8, 10))
    np.testing.assert_allclose(half[:, :, :-1], (IMAGES[:, :, 1:] + IMAGES[:, :, :-1]) / 2, rtol=1e-5)
    with pytest.raises(ValueError, match="matrix"):
        affine(IMAGES, np.zeros((1, 2, 3)), (8, 10))


def test_crops_and_flips_are_parts_and_mirror_images() -> None:
    cropped = au.Crop(2)(IMAGES, state())
    padded = np.pad(IMAGES, ((0, 0), (0, 0), (2, 2), (2, 2)))
    places = [
        [(y, x) for y in range(5) for x in range(5) if np.array_equal(padded[i, :, y : y + 8, x : x + 10], cropped[i])]
        for i in range(6)
    ]
    assert all(len(found) == 1 for found in places) and len({found[0] for found in places}) > 1
    flipped = au.Flip()(IMAGES, state())
    turned = [np.array_equal(flipped[i], IMAGES[i, :, :, ::-1]) for i in range(6)]
    assert any(turned) and not all(turned)
    assert all(np.array_equal(flipped[i], IMAGES[i]) for i in range(6) if not turned[i])


def test_colours() -> None:
    images = np.broadcast_to(IMAGES, IMAGES.shape)
    bright = au.Brightness(0.3)(images, state())
    factors = (bright / images)[:, 0, 0, 0]
    np.testing.assert_allclose(bright, images * factors[:, None, None, None], rtol=1e-5)
    assert np.all(np.abs(factors - 1) <= 0.3) and np.ptp(factors) > 0.1
    # Saturation keeps the brightness of each pixel, contrast the mean brightness of each image.
    np.testing.assert_allclose(au.grey(au.Saturation()(images, state())), au.grey(images), rtol=1e-4)
    contrast = au.Contrast()(images, state())
    np.testing.assert_allclose(au.grey(contrast).mean((1, 2, 3)), au.grey(images).mean((1, 2, 3)), rtol=1e-4)
    assert not np.allclose(contrast, images)
    values, vectors = au.principal_colours(images)
    pixels = images.transpose(0, 2, 3, 1).reshape(-1, 3)
    np.testing.assert_allclose(np.cov(pixels.T) @ np.array(vectors), np.array(vectors) * values, atol=1e-7)
    lit = au.Lighting(values, vectors, deviation=1.0)(images, state()) - images
    np.testing.assert_allclose(lit, np.broadcast_to(lit[:, :, :1, :1], lit.shape), atol=1e-6)
    with pytest.raises(ValueError, match=r"\[n, 3, h, w\]"):
        au.Lighting(values, vectors)(images[:, :1], state())


def test_scale_and_rotation_keep_the_centre() -> None:
    images = np.zeros((40, 1, 9, 9), np.float32)
    images[:, :, 4, 4:] = 1
    turned = au.Rotation(90)(images, state())
    np.testing.assert_allclose(turned[:, 0, 4, 4], 1, rtol=1e-5)
    assert turned[:, 0, 0, 4].max() > 0.5 and turned[:, 0, 8, 4].max() > 0.5  # both directions
    disc = np.zeros((40, 1, 21, 21), np.float32)
    disc[:, :, 8:13, 8:13] = 1
    areas = au.Scale(0.5, 2)(disc, state()).sum((1, 2, 3)) / 25
    assert 0.25 * 0.9 <= areas.min() < 0.5 and 2 < areas.max() <= 4 * 1.1


def test_the_book_augmentation_is_decided_by_the_state() -> None:
    transform = au.book_augmentation(IMAGES)
    once = transform(IMAGES, state(3))
    assert once.shape == IMAGES.shape and once.dtype == np.float32 and np.isfinite(once).all()
    np.testing.assert_array_equal(once, transform(IMAGES, state(3)))
    assert not np.array_equal(once, transform(IMAGES, state(4)))


PAIR = Pair(RANDOM.uniform(0, 1, (23, 3 * 4 * 4)).astype(np.float32), np.arange(23, dtype=np.int32))


def test_threads_do_not_change_minibatches() -> None:
    def slow(images: np.ndarray, random: np.random.RandomState) -> np.ndarray:
        time.sleep(random.uniform(0, 0.01))
        return images + np.float32(random.uniform())

    alone, many = (
        Pipeline(PAIR, (3, 4, 4), 4, transform=slow, seed=5, threads=threads, ahead=ahead)
        for threads, ahead in ((1, 1), (4, 6))
    )
    for epoch in (0, 1):
        want, got = list(alone.epoch(epoch)), list(many.epoch(epoch))
        assert len(want) == len(got) == 5
        for (x, y), (u, v) in zip(want, got, strict=True):
            np.testing.assert_array_equal(x, u)
            np.testing.assert_array_equal(y, v)
    labels = [np.concatenate([y for _, y in alone.epoch(epoch)]) for epoch in (0, 1)]
    assert not np.array_equal(labels[0], labels[1]) and len(set(labels[0])) == 20
    # From the middle of an epoch, and single ones: the same.
    feed = Feed(many)
    for epoch, index in ((0, 3), (0, 4), (1, 0), (1, 1), (0, 2)):
        x, y = feed(epoch, index)
        np.testing.assert_array_equal(x, alone.minibatch(epoch, index).x)
        np.testing.assert_array_equal(y, alone.minibatch(epoch, index).y)
    feed.close()
    assert not any(thread.name.startswith("minibatch") for thread in threading.enumerate())


def test_errors_and_interrupts_stop_the_threads() -> None:
    def fails(images: np.ndarray, random: np.random.RandomState) -> np.ndarray:
        if np.isclose(images.flat[0], PAIR.x[8, 0]):
            raise RuntimeError("no such colour")
        return images

    pipeline = Pipeline(PAIR, (3, 4, 4), 4, transform=fails, shuffle=False, threads=2)
    seen = []
    with pytest.raises(PipelineError, match=r"minibatch 2 of epoch 0 .* failed: no such colour"):
        for pair in pipeline.epoch(0):
            seen.append(pair.y[0])
    assert seen == [0, 4]  # those before it came, in order
    with pytest.raises(PipelineError, match="keeps the shape"):
        next(Pipeline(PAIR, (3, 4, 4), 4, transform=lambda x, _: x[:2]).epoch(0))
    feed = Feed(pipeline)
    with pytest.raises(PipelineError):
        feed(0, 2)
    np.testing.assert_array_equal(feed(0, 3).y, [12, 13, 14, 15])
    feed.close()
    generator = Pipeline(PAIR, (3, 4, 4), 4).epoch(0)
    next(generator)
    with pytest.raises(KeyboardInterrupt):
        generator.throw(KeyboardInterrupt)
    assert not any(thread.name.startswith("minibatch") for thread in threading.enumerate())
    for batch in (0, 24):
        with pytest.raises(ValueError, match=r"1 \.\. 23"):
            Pipeline(PAIR, (3, 4, 4), batch)


def test_cluttered_digits() -> None:
    pytest.importorskip("sklearn")
    base = load_digits()
    clean = make_cluttered(base, Canvas(size=40, clutter=0, rotation=0, scale=(1, 1)), (20, 3, 3))
    assert clean.train.x.shape == (20, 1600) and clean.train.y.shape == (20,)
    for x, y in zip(*clean.train, strict=True):
        # Undistorted, an image holds one digit of its class at one place.
        image = x.reshape(40, 40)
        windows = np.lib.stride_tricks.sliding_window_view(image, (28, 28)).reshape(-1, 784)
        whole = windows[np.isclose(windows.sum(1), image.sum(), rtol=1e-5)]
        digits = base.train.x[base.train.y == y]
        assert min(np.abs(digits - window).max(1).min() for window in whole) < 1e-5
    digits = base.train.x[:6].reshape(2, 3, 28, 28)
    images, corners = Canvas(clutter=0, rotation=0, scale=(1, 1)).place(digits, digits[0], np.random.RandomState(0))
    assert corners.shape == (2, 3, 2)
    for image, places, parts in zip(images, corners, digits, strict=True):
        for (row, column), part in zip(places, parts, strict=True):
            np.testing.assert_allclose(image[row : row + 28, column : column + 28], part, atol=1e-5)
    three = make_cluttered(base, Canvas(size=100, digits=3), (6, 2, 2), seed=1)
    more = make_cluttered(base, Canvas(size=100, digits=3), (8, 2, 2), seed=1)
    assert three.train.y.shape == (6, 3) and three.image_shape == (100, 100)
    np.testing.assert_array_equal(three.train.x, more.train.x[:6])
    assert three.train.x.min() >= 0 and three.train.x.max() < 1
    with pytest.raises(ValueError, match="do not fit"):
        make_cluttered(base, Canvas(size=60, digits=3), (1, 1, 1))


def test_training_images_without_end() -> None:
    pytest.importorskip("sklearn")
    data = make_cluttered(load_digits(), Canvas(size=100, digits=3), (2, 2, 2), epoch=25)
    assert data.epoch == 25 and data.stream is not None and len(data.train.x) == 2
    feed = Feed(Drawing(data.stream, 10, seed=3, threads=2))
    seen = {(epoch, i): feed(epoch, i) for epoch in (0, 1) for i in (0, 1)}
    feed.close()
    images = np.concatenate([x for x, _ in seen.values()])
    assert images.shape == (40, 10_000) and images.dtype == np.float32
    assert len({image.tobytes() for image in images}) == 40  # none comes twice
    again = Drawing(data.stream, 10, seed=3).minibatch(1, 1)
    np.testing.assert_array_equal(again.x, seen[1, 1].x)
    np.testing.assert_array_equal(again.y, seen[1, 1].y)
    assert again.y.shape == (10, 3) and again.y.dtype == np.int32
    assert not np.array_equal(Drawing(data.stream, 10, seed=4).minibatch(1, 1).x, again.x)

    def fails(n: int, random: np.random.RandomState) -> Pair:
        raise RuntimeError(f"no {n} digits left")

    with pytest.raises(PipelineError, match=r"minibatch 0 of epoch 2 .* no 5 digits left"):
        next(Drawing(Stream(10, fails), 5).epoch(2))
    with pytest.raises(ValueError, match=r"1 \.\. 25"):
        Drawing(data.stream, 26)
