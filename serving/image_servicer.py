"""What does each rpc of ImageService do? Who calls, and then `serving.image_answers` on a worker thread.

As in `serving.servicers`, nothing that blocks runs on the event loop, and errors are raised as they are.
"""

from __future__ import annotations

from typing import Any

import grpc

from serving.access.caller import CALLING
from serving.image_answers import ImageAnswers
from serving.work import Turns, Work
from touchstone.moderation.v1 import image_service_pb2 as pb
from touchstone.moderation.v1.image_service_pb2_grpc import ImageServiceServicer

Context = grpc.aio.ServicerContext[Any, Any]

# A page of thumbnails asks for all of them at once: screening keeps the other threads meanwhile.
_AT_ONCE, _MAY_WAIT = 3, 256


class ImageServicer(ImageServiceServicer):
    """ImageService, for callers whom `serving.access.admission` let in."""

    def __init__(self, answers: ImageAnswers, work: Work) -> None:
        self._answers = answers
        self._work = work.run
        self._make = Turns(work, at_once=_AT_ONCE, max_waiting=_MAY_WAIT).run

    async def ListImages(self, request: pb.ListImagesRequest, context: Context) -> pb.ListImagesResponse:  # noqa: ARG002, N802
        """Say which photos there are."""
        caller = CALLING.get()
        return await self._work(lambda: self._answers.list(request, caller))

    async def GetImage(self, request: pb.GetImageRequest, context: Context) -> pb.GetImageResponse:  # noqa: ARG002, N802
        """Show a picture."""
        caller = CALLING.get()
        return await self._make(lambda: self._answers.get(request, caller))
