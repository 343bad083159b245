"""How are a decision's facts kept? Packed small enough to lie beside every decision, and read back by later releases.

A JSON object, compressed with zlib: only what differs from "nothing found" is written. So a fact that a later release
adds is neutral in what an earlier one wrote, and one that it drops is passed over. Whoever changes what stands for
"nothing found" of a fact that exists must raise the format version: the old rows would change their meaning.
"""

from __future__ import annotations

import json
import zlib

from serving.domain import Reason
from serving.facts import FACTS, Facts

FORMAT_VERSION = 1


def pack(facts: Facts) -> bytes:
    """Write facts as bytes; the weights of faults are left out, for they are 0."""
    values = {name: value for name, value in facts.values.items() if value != FACTS[name].neutral}
    document = {"v": FORMAT_VERSION, "facts": values, "faults": [[one.code, one.text] for one in facts.faults]}
    return zlib.compress(json.dumps(document, separators=(",", ":")).encode(), 9)


def unpack(data: bytes) -> Facts:
    """Read what `pack` wrote, in this release or an earlier one.

    Raises:
        ValueError: the bytes are damaged, or of a newer release.

    """
    try:
        document = json.loads(zlib.decompress(data))
    except zlib.error as error:
        raise ValueError(f"facts on record are damaged: {error}") from error
    if document["v"] != FORMAT_VERSION:
        raise ValueError(f"facts on record are of format {document['v']}; this release reads {FORMAT_VERSION}")
    values = {name: document["facts"].get(name, fact.neutral) for name, fact in FACTS.items()}
    return Facts(values, tuple(Reason(code, text) for code, text in document["faults"]))
