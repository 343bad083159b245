"""What can this server do? The answer to GetCapabilities, read off the parts themselves."""

from __future__ import annotations

from importlib.metadata import version

from serving.app import Application
from serving.wire.requests import MAX_IMAGE_BYTES, MAX_IMAGES, MAX_MESSAGE_BYTES
from touchstone.moderation.v1 import moderation_service_pb2 as pb
from vision.headers import ACCEPTED


def capabilities_of(application: Application) -> pb.GetCapabilitiesResponse:
    """Describe the application as it is now."""
    pipeline = application.pipeline
    catalogue = application.knowledge.current.catalogue
    fingerprint = pipeline.embedder.fingerprint
    return pb.GetCapabilitiesResponse(
        api_version="v1",
        server_version=version("touchstone"),
        model=pb.ModelInfo(
            name=fingerprint.partition("@")[0],
            fingerprint=fingerprint,
            embedding_dim=pipeline.embedder.dim,
            text_prompts=False,
        ),
        index=pb.IndexInfo(
            backend=catalogue.backend,
            version=catalogue.version,
            reference_count=len(catalogue),
            brand_count=catalogue.brand_count,
        ),
        policy_version=application.policies.current.active.version,
        limits=pb.Limits(
            max_images_per_listing=MAX_IMAGES,
            max_image_bytes=MAX_IMAGE_BYTES,
            max_image_pixels=pipeline.limits.max_pixels,
            max_message_bytes=MAX_MESSAGE_BYTES,
        ),
        image_formats=ACCEPTED,
        features=[name for name, there in _features(application).items() if there],
    )


def _features(application: Application) -> dict[str, bool]:
    return {
        "category-prediction": application.pipeline.classifier is not None,
        "price-evidence": application.knowledge.current.prices is not None,
    }
