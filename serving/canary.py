"""Does inference work right now? A picture of our own goes through decode, embed and search, as a listing's would.

Readiness stands on it: a server whose device, index or decoder fails must not say that it is serving.
"""

from __future__ import annotations

import io
import logging
from dataclasses import replace
from functools import cache

import numpy as np

from index.errors import StoreError
from serving.deadline import Deadline
from serving.errors import ServingError
from serving.pipeline import Pipeline
from serving.telemetry.telemetry import UNOBSERVED

log = logging.getLogger(__name__)

# Longer than any healthy forward pass of a few crops, shorter than a load balancer's patience.
CANARY_DEADLINE_S = 30.0


def check_inference(pipeline: Pipeline) -> None:
    """Screen the canary picture without recording anything, or counting it among what callers ask.

    Raises:
        ServingError: the picture could not be decoded, which it always can.
        TouchstoneError: from the stage that fails.

    """
    unobserved = replace(pipeline, telemetry=UNOBSERVED)
    try:
        result, _, _ = unobserved.search_image(_picture(), most=1, deadline=Deadline.after(CANARY_DEADLINE_S))
    except StoreError as error:
        # Decoded, embedded and searched it was; without the store listings are screened with care, and so served.
        log.warning("the canary's match could not be verified: %s", error)
        return
    if result.fault is not None:
        raise ServingError(f"the canary picture could not be decoded: {result.message}")


@cache
def _picture() -> bytes:
    """Draw a small JPEG with some structure; always the same."""
    from PIL import Image

    ramp = np.linspace(0, 255, 96, dtype=np.uint8)
    pixels = np.stack(
        [np.tile(ramp, (96, 1)), np.tile(ramp[:, None], (1, 96)), np.full((96, 96), 128, np.uint8)], axis=-1
    )
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG")
    return stream.getvalue()
