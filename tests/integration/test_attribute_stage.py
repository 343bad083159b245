"""Do pattern and material reach whoever asked? Traits over the vectors that the pipeline has, through a real server."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from serving.app import Application
from tests.integration.support import Start, codes, draw, listing
from touchstone.moderation.v1 import decision_pb2
from vision.attributes import NOTHING, AttributeClassifier, Trait
from vision.concepts import Concepts
from vision.decode import decode
from vision.regions import middle

STRIPED, PLAIN = (draw(number) for number in (61, 62))


@pytest.fixture
def application(own_application: Application) -> Application:
    """Teach the application that one drawn picture is of something striped with a buckle, and another one is not."""
    embedder = own_application.embedder
    vectors = embedder.embed([middle(decode(picture).pixels) for picture in (STRIPED, PLAIN)])
    traits = [
        Trait(
            name=name,
            concepts=Concepts.from_prototypes(vectors, [value, NOTHING], fingerprint=embedder.fingerprint),
            least={value: 0.6},
        )
        for name, value in (("pattern", "striped"), ("hardware", "buckle"))
    ]
    pipeline = replace(own_application.pipeline, attributes=AttributeClassifier(traits))
    return replace(own_application, moderation=replace(own_application.moderation, pipeline=pipeline))


def _said(decision: decision_pb2.Decision) -> dict[str, str]:
    return {each.name: each.value for each in decision.attributes if each.name != "colour"}


def test_attributes_come_with_the_decision_and_its_description(start: Start, application: Application) -> None:
    """A sure pattern stands before the noun and hardware behind it; no photo passes the network once more for them."""
    with start(application) as service:
        before = application.embedder.forwards
        decision = service.screen(listing(STRIPED)).decision
        forwards = application.embedder.forwards - before
        unsure = service.screen(listing(PLAIN, listing_id="a2")).decision

    assert _said(decision) == {"pattern": "striped", "hardware": "buckle"}
    assert "striped product with a buckle" in decision.description
    assert _said(unsure) == {}
    assert "striped" not in unsure.description
    plain = replace(application.pipeline, attributes=None)
    with start(replace(application, moderation=replace(application.moderation, pipeline=plain))) as service:
        before = application.embedder.forwards
        assert _said(service.screen(listing(STRIPED, listing_id="a3")).decision) == {}
        assert application.embedder.forwards - before == forwards


def test_a_model_without_attributes_is_no_fault(start: Start, own_application: Application) -> None:
    """The embedder without a network ships no attributes: colours are still measured, and no stage fails."""
    with start(own_application) as service:
        decision = service.screen(listing(STRIPED)).decision

    assert "STAGE_FAILED" not in codes(decision)
    assert {each.name for each in decision.attributes} == {"colour"}
    assert np.isclose(sum(each.probability for each in decision.attributes), 1, atol=0.5)
