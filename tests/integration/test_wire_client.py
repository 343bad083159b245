"""Can a stranger use the service? Through reflection alone, and with a client generated from the protos alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from google.rpc import status_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from grpc_tools import protoc  # type: ignore[import-untyped] # ships no types

from serving.rpc_services import SERVICES
from tests.integration.support import KNOWN_FAKE, PATIENCE_S, Service, draw

PROTOS = Path(__file__).parents[2] / "proto"
PACKAGE = "touchstone.moderation.v1"

# Run by a Python of its own, in a folder that holds nothing but this and the generated modules.
CLIENT = """
import json, sys
from pathlib import Path

import grpc
from google.type.money_pb2 import Money
from touchstone.moderation.v1 import decision_pb2, listing_pb2, moderation_service_pb2, moderation_service_pb2_grpc

target, photo = sys.argv[1:]
listing = listing_pb2.Listing(
    listing_id="from-afar",
    images=[listing_pb2.Image(content=Path(photo).read_bytes())],
    price=Money(currency_code="EUR", units=49, nanos=900_000_000),
)
with grpc.insecure_channel(target) as channel:
    stub = moderation_service_pb2_grpc.ModerationServiceStub(channel)
    request = moderation_service_pb2.ScreenListingRequest(listing=listing)
    decision = stub.ScreenListing(request, timeout=60).decision
print(json.dumps({
    "verdict": decision_pb2.Verdict.Name(decision.verdict),
    "listing_id": decision.listing_id,
    "sources": [item.duplicate.source for item in decision.evidence if item.HasField("duplicate")],
    "generated": moderation_service_pb2.__file__,
    "modules": sorted({name.partition(".")[0] for name in sys.modules}),
}))
"""


def test_reflection_lists_the_services(service: Service) -> None:
    """As grpcurl does it: our services, health and reflection are listed, with every rpc of the protos."""
    database = ProtoReflectionDescriptorDatabase(service.channel)
    pool = DescriptorPool(database)

    listed = set(database.get_services())

    ours = {service.full_name for service in SERVICES}
    assert listed == ours | {"grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"}
    methods = pool.FindServiceByName(f"{PACKAGE}.ModerationService").methods_by_name
    assert {"ScreenListing", "ScreenListings", "WatchDecisions", "GetCapabilities"} <= set(methods)
    assert methods["ScreenListings"].client_streaming
    assert methods["ScreenListings"].server_streaming


def test_a_listing_is_screened_through_reflection(service: Service) -> None:
    """What reflection tells is enough to build a request, call the rpc and read the answer."""
    pool = DescriptorPool(ProtoReflectionDescriptorDatabase(service.channel))
    method = pool.FindServiceByName(f"{PACKAGE}.ModerationService").methods_by_name["ScreenListing"]
    request_type, response_type = GetMessageClass(method.input_type), GetMessageClass(method.output_type)
    request = request_type(listing={"listing_id": "reflected", "images": [{"content": draw(KNOWN_FAKE)}]})

    call = service.channel.unary_unary(
        f"/{PACKAGE}.ModerationService/ScreenListing",
        request_serializer=request_type.SerializeToString,
        response_deserializer=response_type.FromString,
    )
    response: Any = call(request, timeout=PATIENCE_S)

    verdict = response.DESCRIPTOR.file.pool.FindEnumTypeByName(f"{PACKAGE}.Verdict")
    assert verdict.values_by_number[response.decision.verdict].name == "VERDICT_TAKEDOWN"


def test_a_client_made_from_the_protos_alone_screens_a_listing(service: Service, tmp_path: Path) -> None:
    """Generated from the .proto files in an empty folder, without a module of ours, a client gets its decision."""
    _generate(tmp_path)
    photo = tmp_path / "photo.png"
    photo.write_bytes(draw(KNOWN_FAKE))
    client = tmp_path / "client.py"
    client.write_text(CLIENT, encoding="utf-8")

    ended = subprocess.run(
        [sys.executable, str(client), service.target, str(photo)],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )

    assert ended.returncode == 0, ended.stderr
    answer = json.loads(ended.stdout)
    assert (answer["listing_id"], answer["verdict"]) == ("from-afar", "VERDICT_TAKEDOWN")
    assert answer["sources"] == [1]
    assert Path(answer["generated"]).is_relative_to(tmp_path)
    assert {"vision", "index", "serving", "training", "reference_brands"}.isdisjoint(answer["modules"])


def _generate(folder: Path) -> None:
    """Compile the protos as a user would: ours, Google's common ones, and those that come with the compiler."""
    common = Path(status_pb2.__file__).parents[2]
    sources = sorted(str(path.relative_to(PROTOS)) for path in PROTOS.glob("touchstone/**/*.proto"))
    includes = [f"-I{path}" for path in (PROTOS, common, files("grpc_tools") / "_proto")]

    code = protoc.main(["protoc", *includes, f"--python_out={folder}", f"--grpc_python_out={folder}", *sources])

    assert code == 0
    # A package with __init__.py is found before any other installation's, wherever that lies on the path.
    for package in ("touchstone", "touchstone/moderation", "touchstone/moderation/v1"):
        (folder / package / "__init__.py").touch()
