"""Perceptual hashes: near copies are near, other photos far, and the distance agrees with counting bit by bit."""

from __future__ import annotations

import io
from itertools import combinations

import cv2
import numpy as np
import pdqhash
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageEnhance

from vision import hashing
from vision.hashing import MATCH_DISTANCE, PdqHash, as_matrix, hamming, pdq
from vision.shrinking import shrunk


def photo(seed: int, *, width: int = 400, height: int = 300) -> Pillow.Image:
    """Draw a picture with structure at several scales, different for each seed."""
    rng = np.random.default_rng(seed)
    layers = [
        np.asarray(
            Pillow.fromarray(rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8)).resize(
                (width, height), Pillow.Resampling.BICUBIC
            ),
            dtype=float,
        )
        for cells in (3, 6, 12, 24)
    ]
    return Pillow.fromarray(np.mean(layers, axis=0).astype(np.uint8))


def hashed(image: Pillow.Image) -> PdqHash:
    """Hash a Pillow image."""
    return pdq(np.array(image))


def distance(one: bytes, other: bytes) -> int:
    """Differing bits of two hashes, counted in Python."""
    return (int.from_bytes(one) ^ int.from_bytes(other)).bit_count()


def recompressed(image: Pillow.Image, quality: int) -> Pillow.Image:
    """Send the image on a trip through JPEG."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Pillow.open(buffer)


def random_hashes(count: int, seed: int = 0) -> NDArray[np.uint8]:
    """Random 256-bit rows."""
    return np.random.default_rng(seed).integers(0, 256, (count, 32), dtype=np.uint8)


class TestPdq:
    """What the hash of a photo tells."""

    @pytest.mark.parametrize("seed", range(5))
    @pytest.mark.parametrize(
        "copy",
        [
            pytest.param(lambda image: recompressed(image, 30), id="jpeg-30"),
            pytest.param(lambda image: image.resize((150, 112)), id="smaller"),
            pytest.param(lambda image: image.resize((1280, 960)), id="larger"),
            pytest.param(lambda image: ImageEnhance.Brightness(image).enhance(1.15), id="brighter"),
            pytest.param(lambda image: image.convert("L").convert("RGB"), id="grey"),
        ],
    )
    def test_copies_are_near(self, seed: int, copy: object) -> None:
        """Resizing, recompression and light edits stay within the match distance."""
        original = photo(seed)

        assert callable(copy)
        assert distance(hashed(original).bits, hashed(copy(original)).bits) <= MATCH_DISTANCE

    @pytest.mark.parametrize("edge", [48, 256, 900])
    @pytest.mark.parametrize("seed", range(20))
    def test_bits_and_quality_are_those_of_the_reference(self, seed: int, edge: int) -> None:
        """Facebook's own code says the same of what is hashed, and of its mirror image."""
        pixels = np.array(photo(seed, width=edge, height=edge))
        square = shrunk(pixels, width=256, height=256) if edge >= 256 else cv2.resize(pixels, (256, 256))
        bits, quality = pdqhash.compute(square)
        mirrored, _ = pdqhash.compute(np.ascontiguousarray(square[:, ::-1]))

        assert pdq(pixels) == PdqHash(np.packbits(bits).tobytes(), quality, np.packbits(mirrored).tobytes())

    def test_other_photos_are_far(self) -> None:
        """Different photos differ in about half of the bits."""
        hashes = [hashed(photo(seed)).bits for seed in range(12)]

        assert min(distance(one, other) for one, other in combinations(hashes, 2)) > 2 * MATCH_DISTANCE

    def test_the_mirrored_hash_is_that_of_the_mirrored_photo(self) -> None:
        """Flipping a stolen photo does not hide it."""
        original = photo(1)
        flipped = original.transpose(Pillow.Transpose.FLIP_LEFT_RIGHT)

        assert hashed(original).mirrored == hashed(flipped).bits
        assert hashed(flipped).mirrored == hashed(original).bits
        assert distance(hashed(original).bits, hashed(flipped).bits) > MATCH_DISTANCE

    def test_a_flat_photo_is_marked_unreliable(self) -> None:
        """All blank photos look alike, and none is a copy of another."""
        assert not hashed(Pillow.new("RGB", (300, 200), "white")).reliable
        assert hashed(photo(2)).reliable

    @pytest.mark.parametrize("shape", [(1, 1), (1, 40), (16, 16), (64, 1280)])
    def test_any_size_will_do(self, shape: tuple[int, int]) -> None:
        """Even what `vision.decode` would refuse."""
        result = pdq(np.zeros((*shape, 3), dtype=np.uint8))

        assert len(result.bits) == len(result.mirrored) == 32
        assert not result.reliable

    def test_read_only_and_sliced_pixels_will_do(self) -> None:
        """Crops are views."""
        pixels = np.array(photo(3))
        view = pixels[10:200:2, 5:300]
        view.setflags(write=False)

        assert pdq(view) == pdq(np.ascontiguousarray(view))

    def test_a_hash_of_another_length_is_refused(self) -> None:
        """32 bytes, no fewer."""
        with pytest.raises(ValueError, match="31 bytes"):
            PdqHash(bits=bytes(31), quality=100, mirrored=bytes(32))
        with pytest.raises(ValueError, match="101"):
            PdqHash(bits=bytes(32), quality=101, mirrored=bytes(32))


class TestHamming:
    """The distance matrix."""

    @given(st.lists(st.binary(min_size=32, max_size=32), max_size=6), st.lists(st.binary(min_size=32, max_size=32)))
    @settings(deadline=None)
    def test_agrees_with_counting_bit_by_bit(self, query: list[bytes], known: list[bytes]) -> None:
        """For any two sets of hashes, empty ones included."""
        distances = hamming(as_matrix(query), as_matrix(known))

        assert distances.dtype == np.int32
        assert distances.shape == (len(query), len(known))
        assert distances.tolist() == [[distance(one, other) for other in known] for one in query]

    def test_runs_from_0_to_256(self) -> None:
        """Equal, opposite, and one bit apart."""
        zeros, ones, single = (as_matrix([value]) for value in (bytes(32), b"\xff" * 32, b"\x01" + bytes(31)))

        assert hamming(zeros, np.concatenate([zeros, ones, single])).tolist() == [[0, 256, 1]]

    def test_blocks_do_not_show(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """However little memory is allowed, the answer is the same."""
        query, known = random_hashes(50), random_hashes(70, seed=1)
        whole = hamming(query, known)

        monkeypatch.setattr(hashing, "_BLOCK_BYTES", 1)

        np.testing.assert_array_equal(hamming(query, known), whole)

    def test_sliced_rows_will_do(self) -> None:
        """Rows need not be contiguous."""
        known = random_hashes(40)

        np.testing.assert_array_equal(hamming(known[::2], known[:, ::-1][:5, ::-1]), hamming(known, known)[::2, :5])

    @pytest.mark.parametrize("bad", [np.zeros((2, 31), np.uint8), np.zeros(32, np.uint8), np.zeros((2, 32), np.int64)])
    def test_another_shape_or_type_is_refused(self, bad: NDArray[np.uint8]) -> None:
        """The message says what was given and what is wanted."""
        with pytest.raises(ValueError, match=r"\[n, 32\]"):
            hamming(bad, random_hashes(1))
