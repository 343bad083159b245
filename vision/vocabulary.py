"""Which words are in everyday use? The whole words of the vocabulary that ships with the sentence encoder.

BERT's 30,522 word pieces are what English text of books and an encyclopaedia is made of most often, names of people and
places among them. Whoever takes a word for a misspelt brand asks here first.
"""

from __future__ import annotations

import functools
from pathlib import Path

from vision.errors import CheckpointError

_VOCABULARY = Path(__file__).parent / "models" / "touchstone-s" / "vocabulary.txt"


@functools.cache
def everyday_words(path: Path = _VOCABULARY) -> frozenset[str]:
    """Read the words, small letters a to z only; the pieces that continue a word are left out.

    Raises:
        CheckpointError: the file cannot be read.

    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{path}: the vocabulary of the sentence encoder cannot be read: {error}") from error
    return frozenset(line for line in lines if line.isascii() and line.isalpha())
