"""How is an evidence package made, kept and read? Once, from one state of the store, and then piece by piece.

The file is put into the blob store first and recorded then, so that a piece is always one of a whole package. A case
that changes while its package is made, or a package of the same listing made at the same time, is a Conflict: nothing
is recorded, and the file is collected.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from index.blobs import BlobStore
from index.errors import BlobMissing, NotFound
from index.evidence_records import Audience, EvidencePackage
from serving.case_rules import CaseRules
from serving.cases import CaseDesk
from serving.checks import refuse_for_check
from serving.decoding import Decoder, decode_here
from serving.disclosure import disclosure
from serving.legal.statements import SellerStatement, Statements
from serving.legal.text import as_text
from serving.packages.chain import chain, events_of, stamp
from serving.packages.document import Making, document_of
from serving.packages.material import Material, gather
from serving.packages.pdf import pdf_of
from serving.packages.pictures import Photos, StandingPhotos, pictures_of
from serving.packages.redaction import finished
from serving.packages.schema import Document
from serving.packages.scrubbing import people_in, scrubbed
from serving.packages.signing import Signer
from serving.packages.zip import zip_of
from serving.recent import Recent

SALTS = "evidence-salts"
# What is being read out stays in memory until its last piece, the largest package and as much again of others.
_READ_OUT_BYTES = 512 * 2**20


def _being_read() -> Recent[str, bytes]:
    return Recent(_READ_OUT_BYTES, weigh=len)


@dataclass(frozen=True, kw_only=True)
class Wish:
    """Which package is wanted, for whom, and on what basis. `exported_by` is the pseudonym of who asks."""

    case_id: str
    audience: Audience
    recipient: str
    basis: str
    exported_by: str


@dataclass(frozen=True, kw_only=True)
class Packages:
    """Makes evidence packages and reads them. Blocking and thread-safe.

    `font` is that of the PDF, `key` the file of the private key that signs packages; None: they are not signed. Photos
    are read by `decoder`.
    """

    desk: CaseDesk
    blobs: BlobStore
    photos: Photos
    font: Path | None = None
    key: Path | None = None
    decoder: Decoder = decode_here
    being_read: Recent[str, bytes] = field(default_factory=_being_read)

    @property
    def rules(self) -> CaseRules:
        """The operator's rules."""
        return self.desk.rules

    @property
    def clock(self) -> Callable[[], datetime]:
        """The time, in UTC."""
        return self.desk.clock

    def make(self, wish: Wish) -> EvidencePackage:
        """Make a package, keep it and record who took it out.

        Raises:
            NotFound: there is no such case.
            Conflict: the case changed meanwhile, or another package of its listing was made.
            SettingsError: the font or the key cannot be used.

        """
        refuse_for_check(self.desk.store, wish.case_id)
        signer = None if self.key is None else Signer.load(self.key)
        material = gather(self.desk, wish.case_id, wish.audience)
        now, package_id = self.clock(), uuid.uuid4().hex
        retain_until = now + timedelta(days=self.rules.evidence_days)
        name = "" if signer is None else signer.name
        files = self._files(material, wish, package_id=package_id, now=now, retain_until=retain_until, signer=name)
        content = zip_of(files, sign=None if signer is None else signer.sign)
        digest = self.blobs.put(content)
        package = EvidencePackage(
            package_id=package_id,
            case_id=wish.case_id,
            listing_id=material.file.case.listing_id,
            audience=wish.audience,
            recipient=wish.recipient,
            disclosure_basis=wish.basis,
            exported_by=wish.exported_by,
            create_time=now,
            retain_until=retain_until,
            digest=digest,
            size_bytes=len(content),
            previous_digest="" if material.previous is None else material.previous.digest,
            file_sha256=digest,
        )
        self.desk.store.add_package(package, revision=material.file.case.revision)
        self.being_read.get([digest], lambda _: {digest: content})
        return package

    def get(self, case_id: str, package_id: str) -> EvidencePackage:
        """Return the record of a package of a case. Raises NotFound."""
        package = self.desk.store.get_package(package_id)
        if package.case_id != case_id:
            raise NotFound(f"There is no evidence package {package_id!r} of the case {case_id!r}.")
        return package

    def content(self, package: EvidencePackage) -> bytes:
        """Return a package's bytes, read once until `read_out`. Raises NotFound once its file was let go."""
        sha256 = package.file_sha256
        try:
            return self.being_read.get([sha256], lambda _: {sha256: self.blobs.get(sha256)})[sha256]
        except BlobMissing as error:
            until = f"{package.retain_until:%Y-%m-%d}"
            raise NotFound(f"The file of the package {package.package_id!r} was kept until {until}.") from error

    def read_out(self, package: EvidencePackage) -> None:
        """Let go of a package's bytes: its last piece was given out."""
        self.being_read.drop(package.file_sha256)

    def _files(
        self, material: Material, wish: Wish, *, package_id: str, now: datetime, retain_until: datetime, signer: str
    ) -> dict[str, bytes]:
        identity = None if material.identity is None else material.identity.identity
        told = disclosure(wish.audience, wish.basis, identity)
        secret = self.desk.store.secret(SALTS)
        links = chain(events_of(material.history), secret, disclose=told.everything)
        photos = StandingPhotos(self.photos, material.gone, originals=told.everything, decoder=self.decoder)
        pictures = pictures_of(material.decision, material.references, photos, self.blobs, self.decoder)
        making = Making(
            package_id=package_id,
            created_at=stamp(now),
            audience=wish.audience,
            recipient=wish.recipient,
            basis=wish.basis,
            exported_by=wish.exported_by,
            redaction=told.level,
            retain_until=stamp(retain_until),
            chain_head=links["head"],
            chain_length=len(links["events"]),
            signer=signer,
            files=pictures.names,
        )
        document = finished(document_of(material, making), told)
        statement = self._statement(material, everything=told.everything)
        text = "" if statement is None else as_text(statement, answer_days=self.rules.notifier_answer_days)
        return {
            **pictures.files,
            "package.json": _json(document.model_dump(mode="json")),
            "statement.json": _json(_statement_document(statement, text)),
            "chain.json": _json(links),
            "package.pdf": self._pdf(document, text, pictures.files),
        }

    def _pdf(self, document: Document, text: str, files: Mapping[str, bytes]) -> bytes:
        return pdf_of(document, text, files, font=self.font, decoder=self.decoder)

    def _statement(self, material: Material, *, everything: bool) -> SellerStatement | None:
        """Compose what the seller is told, without what it says of them unless everything is disclosed."""
        if material.verdict != "TAKEDOWN":
            return None
        composer = Statements(self.desk.store, self.rules, tells_of_sellers=everything)
        statement = composer.of_decision(material.decision.decision_id, language="en")
        if everything:
            return statement
        case, history, record = material.file.case, material.history, material.identity
        people = people_in((case.seller_id, *material.ring), history.reports, history.appeals, record)
        country = "" if record is None else record.identity.country
        return replace(statement, reasons=scrubbed(statement.reasons, people, country))


def _statement_document(statement: SellerStatement | None, text: str) -> dict[str, Any]:
    if statement is None:
        return {"statement": None, "why": "nothing is taken down"}
    reasons = statement.reasons
    return {
        "statement": {
            "decision_id": statement.decision_id,
            "resolution_id": statement.resolution_id,
            "effective_time": stamp(statement.effective_time),
            "source": str(statement.source),
            "ground": str(reasons.ground),
            "ground_reference": reasons.ground_reference,
            "explanation": reasons.explanation,
            "facts": reasons.facts,
            "territories": list(reasons.territories),
            "end_time": None if reasons.end_time is None else stamp(reasons.end_time),
            "automated_detection": reasons.automated_detection,
            "automated_decision": reasons.automated_decision,
            "machine_decision_confirmed": statement.confirmed,
            "right_id": reasons.right_id,
            "complaint_end_time": stamp(statement.complaint_end_time),
            "text": text,
        }
    }


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()
