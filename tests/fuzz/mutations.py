"""How is a valid file or message made hostile? Seeded mutations of bytes and of text, and their bookkeeping."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field

NUMBERS = (b"0", b"-1", b"1e999", b"nan", b"99999999999999999999", b"0x7fffffff", b"true", b"null", b"~")
# fmt: off
TOKENS = (
    b"\0", b"\xff", b"\n", b"\t", b": ", b"- ", b"&a ", b"*a", b"!!python/object", b"{", b"}", b"[", b"'", b'"', b"#",
    b"%", b"|", b">", b"? ", b"<<: ", "\u202e".encode(), b"\xf0\x9f\x91\xa0", b" && ", b" || ", b"==", b"()", b".",
)
# fmt: on


@dataclass
class Tally:
    """What a run found: cases by outcome, and what went wrong, each with the case that shows it."""

    name: str
    outcomes: Counter[str] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)

    @property
    def cases(self) -> int:
        """How many cases ran."""
        return self.outcomes.total()

    def __str__(self) -> str:
        """Say it in one line."""
        common = ", ".join(f"{name} {count:,}" for name, count in self.outcomes.most_common(8))
        return f"{self.name}: {self.cases:,} cases, {len(self.findings)} findings ({common})"


def mutated(data: bytes, rng: random.Random) -> bytes:
    """Change bytes anywhere: flipped, cut, doubled, swapped, overwritten with extremes."""
    mutant = bytearray(data or b"\0")
    for _ in range(rng.choice((1, 1, 1, 2, 4, 16))):
        at = rng.randrange(len(mutant)) if mutant else 0
        length = rng.choice((1, 1, 2, 4, 8, 64))
        match rng.randrange(6):
            case 0 if mutant:
                mutant[at] ^= 1 << rng.randrange(8)
            case 1 if mutant:
                mutant[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
            case 2:
                del mutant[at : at + length]
            case 3:
                mutant[at:at] = mutant[at : at + length] * rng.choice((1, 2, 30))
            case 4:
                mutant[at:at] = rng.randbytes(length)
            case _:
                del mutant[rng.randrange(len(mutant) + 1) :]
    return bytes(mutant)


def mutated_text(data: bytes, rng: random.Random) -> bytes:
    """Change a text as its format might mind: lines moved, indented, doubled, words replaced by signs and numbers."""
    lines = data.split(b"\n")
    for _ in range(rng.choice((1, 1, 2, 3, 8))):
        at, other = rng.randrange(len(lines)), rng.randrange(len(lines))
        line = lines[at]
        match rng.randrange(7):
            case 0:
                lines[at], lines[other] = lines[other], line
            case 1:
                lines.insert(other, line)
            case 2 if len(lines) > 1:
                del lines[at]
            case 3:
                lines[at] = b" " * rng.choice((1, 2, 8)) + line
            case 4:
                words = line.split(b" ")
                words[rng.randrange(len(words))] = rng.choice((*NUMBERS, *TOKENS))
                lines[at] = b" ".join(words)
            case 5:
                cut = rng.randrange(len(line) + 1)
                lines[at] = line[:cut] + rng.choice(TOKENS) * rng.choice((1, 1, 2, 200)) + line[cut:]
            case _:
                lines[at] = mutated(line, rng)
    return b"\n".join(lines)
