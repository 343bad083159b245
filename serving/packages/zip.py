"""How do the files of a package become one file? A zip whose bytes follow from its content alone, with checksums.

Names are sorted, times are the first that a zip knows, nothing is compressed (pictures are already, and what deflate
makes of bytes is its version's own), so that the same content is the same file on every machine.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping

from index.blobs import digest_of

SUMS = "SHA256SUMS"
SIGNATURE = f"{SUMS}.sig"  # over the checksums, and so over every other file
_TIME = (1980, 1, 1, 0, 0, 0)
_MODE = 0o100644 << 16
_UNIX = 3


def sums_of(files: Mapping[str, bytes]) -> bytes:
    """Write the checksums of all files but themselves, as `sha256sum -c` reads them."""
    lines = (f"{digest_of(files[name])}  {name}\n" for name in sorted(files) if name != SUMS)
    return "".join(lines).encode()


def zip_of(files: Mapping[str, bytes], *, sign: Callable[[bytes], bytes] | None = None) -> bytes:
    """Put files into a zip, their checksums among them, and what `sign` makes of those."""
    sealed = {**files, SUMS: sums_of(files)}
    if sign is not None:
        sealed[SIGNATURE] = sign(sealed[SUMS])
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(sealed):
            entry = zipfile.ZipInfo(name, _TIME)
            entry.external_attr, entry.create_system = _MODE, _UNIX
            archive.writestr(entry, sealed[name])
    return stream.getvalue()
