"""The API keeps its own rules: lint, committed stubs, the fixed list of rpcs, and how each of them is documented."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto, FileDescriptorSet

ROOT = Path(__file__).resolve().parents[2]
GENERATE = ROOT / "proto" / "generate.py"
PACKAGE = "touchstone.moderation.v1"

# The names that tools outside the project rely on; a star marks a stream of requests (before) or responses (after).
RPCS = {
    "ModerationService": "ScreenListing *ScreenListings* WatchDecisions* RemoveListing SearchImage GetDecision "
    "GetCapabilities GetCaller",
    "BrandService": "CreateBrand GetBrand ListBrands UpdateBrand *UploadReference ListReferences ReviewReference "
    "RetireReference PreviewReference FindListings SetAuthorizedSellers SetPriceBands SetBuyerAdvice",
    "CaseService": "ListCases GetCase ClaimCase ResolveCase BatchResolveCases UndoResolution MarkGoldCase "
    "UnmarkGoldCase ListGoldCases ReportListing AppealDecision ExportEvidence",
    "ScanService": "StartScan GetScan WatchScan* CancelScan",
    "ImageService": "ListImages GetImage",
    "BuyerService": "CheckListing CheckSerial GetAdviceImage Report GetReport",
    "PortalService": "GetPortal ListNotices ListHits ApplyForBrand ListApplications DecideApplication",
    "StatementService": "GetStatement ExportStatements GetLegalClock RecordLegalStep",
    "InsightService": "GetVolumes GetPrecision GetCalibration ListThresholds GetDrift GetQueue ListReviewers "
    "GetReviewer GetSeller",
}
DECISION_FIELDS = (
    "decision_id listing_id verdict counterfeit_probability reasons evidence category description attributes "
    "image_results model_fingerprint index_version policy_version timings create_time "
    "fusion_version calibration_version uncalibrated_probability certificate_id rule_ids"
)
EVIDENCE_KINDS = "visual_match duplicate text category price seller report"
# Tags of descriptor.proto: a path into a file descriptor names, say, the second rpc of the first service.
SERVICE_TAG, METHOD_TAG = 6, 2
CODE = re.compile(r"`([A-Z_]+)`: ")
REMEDY = re.compile(r"\b(MUST|SHOULD|MAY)\b")
CANONICAL_CODES = frozenset(
    [
        "INVALID_ARGUMENT",
        "RESOURCE_EXHAUSTED",
        "UNAUTHENTICATED",
        "PERMISSION_DENIED",
        "NOT_FOUND",
        "ABORTED",
        "DEADLINE_EXCEEDED",
        "UNAVAILABLE",
        "UNIMPLEMENTED",
        "INTERNAL",
    ]
)


@pytest.fixture(scope="module")
def descriptors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a descriptor set of the whole API, with imports and comments."""
    file = tmp_path_factory.mktemp("descriptors") / "api.binpb"
    subprocess.run([sys.executable, GENERATE, "--descriptors", file], check=True)
    return file


@pytest.fixture(scope="module")
def files(descriptors: Path) -> list[FileDescriptorProto]:
    """Read the API's own files, imports left out."""
    everything = FileDescriptorSet.FromString(descriptors.read_bytes())
    return [file for file in everything.file if file.package == PACKAGE]


def test_lint(descriptors: Path) -> None:
    """The protos pass buf's STANDARD rules and leave nothing without a comment."""
    buf = Path(sys.executable).with_name("buf")

    lint = subprocess.run(
        [buf, "lint", descriptors, "--config", ROOT / "buf.yaml", "--path", "touchstone"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (lint.returncode, lint.stdout) == (0, ""), lint.stdout + lint.stderr


def test_format() -> None:
    """The protos are formatted as buf formats them."""
    buf = Path(sys.executable).with_name("buf")

    form = subprocess.run(
        [buf, "format", "--diff", "--exit-code", "--path", "proto"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert form.returncode == 0, form.stdout + form.stderr


def test_stubs_are_what_the_protos_make() -> None:
    """Generating the stubs again changes nothing."""
    check = subprocess.run([sys.executable, GENERATE, "--check"], capture_output=True, text=True, check=False)

    assert check.returncode == 0, check.stderr


def test_every_promised_rpc_is_there(files: list[FileDescriptorProto]) -> None:
    """Services and rpcs are exactly those of the contract, and so are their streams."""
    services = {
        service.name: " ".join(
            "*" * method.client_streaming + method.name + "*" * method.server_streaming for method in service.method
        )
        for file in files
        for service in file.service
    }

    assert services == RPCS


def test_decision_has_the_promised_fields(files: list[FileDescriptorProto]) -> None:
    """A decision and its evidence have exactly the fields that tools rely on."""
    messages = {message.name: message for file in files for message in file.message_type}

    assert _names(messages["Decision"]) == DECISION_FIELDS
    assert _names(messages["Evidence"]) == EVIDENCE_KINDS
    assert all(field.HasField("oneof_index") for field in messages["Evidence"].field)


def test_every_rpc_documents_its_errors_and_what_to_do(files: list[FileDescriptorProto]) -> None:
    """Each rpc says how it may be repeated, and gives each of its error codes with the client's remedy."""
    comments = {name: comment for file in files for name, comment in _rpc_comments(file).items()}

    assert sum(len(rpcs.split()) for rpcs in RPCS.values()) == len(comments)
    for name, comment in comments.items():
        description, *errors = comment.split("* `")
        assert "dempotent" in description, f"{name}: does not say whether it is idempotent"
        assert errors, f"{name}: lists no error codes"
        for error in errors:
            code = CODE.match("`" + error)
            assert code is not None, f"{name}: no code in {error!r}"
            assert code[1] in CANONICAL_CODES, f"{name}: {code[1]} is not a code of this API"
            assert REMEDY.search(error), f"{name}: {code[1]} has no remedy"


def test_enums_begin_with_unspecified_and_carry_their_prefix(files: list[FileDescriptorProto]) -> None:
    """Every enum value carries its enum's name, and 0 is always the unspecified one."""
    enums = [enum for file in files for enum in file.enum_type]

    assert enums
    for enum in enums:
        prefix = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", enum.name).upper() + "_"
        assert enum.value[0].name == f"{prefix}UNSPECIFIED"
        assert enum.value[0].number == 0
        assert all(value.name.startswith(prefix) for value in enum.value)


def test_every_page_can_be_followed_by_the_next(files: list[FileDescriptorProto]) -> None:
    """Whoever asks for a page size takes a page token, and the answer gives the next one."""
    messages = {message.name: _names(message).split() for file in files for message in file.message_type}
    paged = [name for name, fields in messages.items() if "page_size" in fields]

    assert paged
    for name in paged:
        assert "page_token" in messages[name]
        assert "next_page_token" in messages[name.replace("Request", "Response")]


def test_proto_is_a_source_root() -> None:
    """There is no proto/__init__.py, which would shadow another package of that name."""
    assert not (ROOT / "proto" / "__init__.py").exists()


def _names(message: DescriptorProto) -> str:
    return " ".join(field.name for field in message.field)


def _rpc_comments(file: FileDescriptorProto) -> dict[str, str]:
    comments = {}
    for location in file.source_code_info.location:
        match list(location.path):
            case [tag, service, inner, method] if (tag, inner) == (SERVICE_TAG, METHOD_TAG):
                name = f"{file.service[service].name}.{file.service[service].method[method].name}"
                comments[name] = " ".join(location.leading_comments.split())
    return comments
