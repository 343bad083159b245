"""Reading: words drawn into pictures come out again, and where nothing is written nothing does."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from vision.errors import CheckpointError
from vision.reading import BlindReader, LineReader, Words, load_reader


@pytest.fixture(scope="module")
def reader() -> LineReader:
    """Load the networks of rapidocr's wheel."""
    return load_reader()


def sign(*lines: tuple[str, float], turn: float = 0.0, light: bool = False) -> NDArray[np.uint8]:
    """Paint lines, each with its letters' size, below one another: uint8 [240, 480, 3], turned by some degrees."""
    ink, paper = ((250, 240, 230), (120, 30, 20)) if light else ((20, 30, 90), (200, 205, 190))
    board = np.full((240, 480, 3), paper, np.uint8)
    foot = 0
    for text, size in lines:
        foot += round(60 * size)
        thickness = round(3 * size)
        cv2.putText(board, text, (30, foot), cv2.FONT_HERSHEY_SIMPLEX, size, ink, thickness, cv2.LINE_AA)
    turned = cv2.getRotationMatrix2D((240, 120), turn, 1)
    return np.asarray(cv2.warpAffine(board, turned, (480, 240), borderValue=paper), np.uint8)


def texts(lines: tuple[Words, ...]) -> list[str]:
    """Give what was read alone."""
    return [words.text for words in lines]


@pytest.mark.parametrize("word", ["ADIDAS", "Coca Cola", "unicef", "WD-40"])
@pytest.mark.parametrize(("turn", "light"), [(0, False), (12, True), (-15, False)])
def test_a_word_is_read(reader: LineReader, word: str, turn: float, light: bool) -> None:
    """Capitals, blanks and signs come out as they are written, on a tilted sign and in light letters too."""
    (lines,) = reader.read([sign((word, 2.5), turn=turn, light=light)])

    assert texts(lines) == [word]
    assert 0.8 < lines[0].confidence <= 1


def test_writing_that_runs_downwards_is_read(reader: LineReader) -> None:
    """A line from the top to the bottom is laid flat before it is read."""
    board = np.ascontiguousarray(np.rot90(sign(("TEXACO", 2.5)), 3))

    assert texts(reader.read([board])[0]) == ["TEXACO"]


def test_the_largest_line_is_read(reader: LineReader) -> None:
    """Of several lines the largest one is read, whatever their order in the picture."""
    (lines,) = reader.read([sign(("sport", 0.7), ("PUMA", 1.8), ("Berlin", 1.1))])

    assert texts(lines) == ["PUMA"]


def test_what_cannot_be_a_name_is_not_read(reader: LineReader) -> None:
    """A single letter and a line as long as a sentence cost no pass of the recogniser."""
    before = reader.forwards

    assert reader.read([sign(("A", 4.0)), sign(("the quick brown fox jumps over it", 0.8))]) == [(), ()]
    assert reader.forwards - before == pytest.approx(2 * 96 * 64 * 10_593 / 383_907_552)  # 96 x 48 rounds to that


@pytest.mark.parametrize("size", [(1, 1), (5, 200), (200, 5), (64, 64)])
def test_where_nothing_is_written_nothing_is_read(reader: LineReader, size: tuple[int, int]) -> None:
    """Plain paper and noise of any size hold no words."""
    plain = np.full((*size, 3), 128, np.uint8)
    noise = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)

    assert reader.read([plain, noise]) == [(), ()]


def test_crops_do_not_matter_to_each_other(reader: LineReader) -> None:
    """Crops of any sizes go together, each has its own words, and each pass is counted."""
    crops = [sign(("FORD", 2.5)), np.zeros((30, 30, 3), np.uint8), sign(("Google", 2.0), light=True)[:150, :400]]

    assert reader.read([]) == []
    before = reader.forwards
    together = reader.read(crops)
    spent = reader.forwards - before

    assert [texts(lines) for lines in together] == [["FORD"], [], ["Google"]]
    assert [reader.read([crop])[0] for crop in crops] == together
    assert 3 * 0.08 < spent < 3 * 0.25 + 2 * 1.44  # each crop is searched, and two have a line of any width


def test_either_library_reads_the_same() -> None:
    """OpenVINO, where it is installed, and OpenCV run the same networks: words agree, and confidences to 0.001."""
    pytest.importorskip("openvino", reason="the extra cpu brings OpenVINO")
    words = ("ADIDAS", "unicef", "Coca Cola")
    signs = [sign((word, 2.5), turn=turn) for word in words for turn in (0, 8)]

    by_openvino, by_opencv = (load_reader(path=path).read(signs) for path in ("openvino", "channels_last"))

    assert [texts(lines) for lines in by_openvino] == [texts(lines) for lines in by_opencv]
    assert [texts(lines) for lines in by_opencv] == [[word] for word in words for _ in (0, 8)]
    one, other = ([words.confidence for lines in read for words in lines] for read in (by_openvino, by_opencv))
    np.testing.assert_allclose(one, other, atol=1e-3)


def test_the_blind_reader_reads_nothing() -> None:
    """Without a network there are no words, at no cost."""
    blind = BlindReader()

    assert blind.read([sign(("FORD", 2.5))]) == [()]
    assert blind.forwards == 0


def test_another_network_is_refused(reader: LineReader, tmp_path: Path) -> None:
    """Networks that are missing or changed are named, with what brings them back."""
    with pytest.raises(CheckpointError, match=r"det_small\.onnx cannot be read .*pip install"):
        load_reader(tmp_path)

    (tmp_path / "PP-OCRv6_det_small.onnx").write_bytes(b"something else")
    with pytest.raises(CheckpointError, match=r"is not the network of rapidocr 3\.10\.0"):
        load_reader(tmp_path)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package the error says which one is wanted."""
    monkeypatch.setattr("vision.reading.PACKAGE", "no-such-package-of-networks")

    with pytest.raises(CheckpointError, match="no-such-package-of-networks, whose networks read words"):
        load_reader()
