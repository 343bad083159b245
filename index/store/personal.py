"""Where does the store hold what is about people? Every column that can hold words or bytes, classified.

docs/privacy.md is made from this table, `index.store.erasing` erases by it, and a test holds it complete: a column
that a migration adds is neither erased nor told of until somebody says here what it is.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Whose(enum.StrEnum):
    """Whom a column is about."""

    SELLER = "seller"
    REPORTER = "buyer or other reporter"
    STAFF = "who works here, or for a brand"
    ANYBODY = "whoever is named in it"


class Erasure(enum.StrEnum):
    """What becomes of it when somebody is erased, beside its retention."""

    DELETED = "deleted, with its row"
    EMPTIED = "emptied"
    RENAMED = "put in place by a name of nobody"
    FORGOTTEN = "by `photos forget`, which it does too: the file is deleted"
    KEPT = "stays"


@dataclass(frozen=True)
class Personal:
    """What some columns of a table hold of somebody, how it is erased, and until when it is kept otherwise."""

    columns: str
    whose: Whose
    erasure: Erasure
    retention: str


_CASE = "as long as the decision: evidence (DSA Article 24, PRC E-commerce Law Article 31)"
_RECORD = "for good: who decided is part of the record"
_MARKETPLACE_ID = "as long as the decision; an id of the marketplace's, nobody's name without its accounts"
_PSEUDONYM = "for good: a keyed hash, nobody's name without the store's secret and a guess"
_FREE_TEXT = "as long as its row: free text of staff, in which nobody should be named"

PERSONAL: dict[str, tuple[Personal, ...]] = {
    "seller_identities": (
        Personal(
            "legal_name address phone email government_id bank_account bank_account_holder tax_id trade_register "
            "trade_register_number lei country verification_method verification_result annual_revenue_usd seller_id",
            Whose.SELLER,
            Erasure.DELETED,
            "until it is replaced or erased; six months after the seller left (DSA Article 30(5)), by the operator",
        ),
    ),
    "sellers": (Personal("seller_id verification", Whose.SELLER, Erasure.KEPT, _MARKETPLACE_ID),),
    "seller_tallies": (Personal("seller_id", Whose.SELLER, Erasure.KEPT, _MARKETPLACE_ID),),
    "seller_listings": (Personal("seller_id", Whose.SELLER, Erasure.KEPT, _MARKETPLACE_ID),),
    "seller_ring_members": (Personal("seller_id", Whose.SELLER, Erasure.KEPT, "until rings are found anew"),),
    "seller_ring_links": (
        Personal("first_seller_id second_seller_id", Whose.SELLER, Erasure.KEPT, "until rings are found anew"),
    ),
    "authorised_sellers": (Personal("seller_id", Whose.SELLER, Erasure.KEPT, "until the brand changes its list"),),
    "verdicts": (Personal("seller_id", Whose.SELLER, Erasure.KEPT, _MARKETPLACE_ID),),
    "decisions": (Personal("seller_id payload", Whose.SELLER, Erasure.KEPT, _CASE),),
    "decision_facts": (Personal("facts", Whose.SELLER, Erasure.KEPT, _CASE),),
    "checks": (
        Personal("payload", Whose.SELLER, Erasure.KEPT, _CASE),
        Personal("holder", Whose.STAFF, Erasure.RENAMED, "while it is claimed"),
        Personal("reviewer", Whose.STAFF, Erasure.KEPT, _PSEUDONYM),
    ),
    "kept_photos": (
        Personal("sha256", Whose.SELLER, Erasure.FORGOTTEN, "`photo_retention_days`, and what docs/photos.md adds"),
        Personal("seller_id", Whose.SELLER, Erasure.KEPT, _MARKETPLACE_ID),
    ),
    "appeals": (
        Personal("statement", Whose.SELLER, Erasure.EMPTIED, _CASE),
        Personal("appellant_id", Whose.SELLER, Erasure.KEPT, _MARKETPLACE_ID),
        Personal("answer", Whose.STAFF, Erasure.KEPT, _FREE_TEXT),
        Personal("reviewer", Whose.STAFF, Erasure.KEPT, _PSEUDONYM),
    ),
    "reports": (
        Personal("text", Whose.REPORTER, Erasure.EMPTIED, _CASE),
        Personal("notice", Whose.REPORTER, Erasure.EMPTIED, _CASE),
        Personal("reporter_id", Whose.REPORTER, Erasure.RENAMED, "as long as the report"),
        Personal("filed_by", Whose.STAFF, Erasure.RENAMED, _RECORD),
        Personal("seller_id", Whose.SELLER, Erasure.KEPT, _MARKETPLACE_ID),
    ),
    "cases": (
        Personal("holder", Whose.STAFF, Erasure.RENAMED, "while it is claimed"),
        Personal("seller_id", Whose.SELLER, Erasure.KEPT, _MARKETPLACE_ID),
    ),
    "resolutions": (
        Personal("reviewer second_reviewer undone_by", Whose.STAFF, Erasure.KEPT, _PSEUDONYM),
        Personal("note statement undo_reason", Whose.ANYBODY, Erasure.KEPT, _FREE_TEXT),
    ),
    "reviews": (Personal("reviewer", Whose.STAFF, Erasure.KEPT, _PSEUDONYM),),
    "check_answers": (
        Personal("undone_by", Whose.STAFF, Erasure.KEPT, _PSEUDONYM),
        Personal("note statement undo_reason", Whose.ANYBODY, Erasure.KEPT, _FREE_TEXT),
    ),
    "gold_cases": (
        Personal("marked_by", Whose.STAFF, Erasure.KEPT, _PSEUDONYM),
        Personal("note", Whose.ANYBODY, Erasure.KEPT, _FREE_TEXT),
    ),
    "removed_listings": (Personal("note", Whose.ANYBODY, Erasure.KEPT, _FREE_TEXT),),
    "legal_steps": (
        Personal("reviewer", Whose.STAFF, Erasure.KEPT, _PSEUDONYM),
        Personal("reference", Whose.ANYBODY, Erasure.KEPT, _FREE_TEXT),
    ),
    "evidence_packages": (
        Personal("exported_by", Whose.STAFF, Erasure.KEPT, _PSEUDONYM),
        Personal("recipient disclosure_basis", Whose.ANYBODY, Erasure.KEPT, "for good: the log of recipients"),
        Personal("file_sha256", Whose.SELLER, Erasure.KEPT, "the file: `evidence_days` of the case rules"),
    ),
    "legal_holds": (
        Personal("subject_id subject_key", Whose.SELLER, Erasure.KEPT, _MARKETPLACE_ID),
        Personal("author lifted_by", Whose.STAFF, Erasure.RENAMED, _RECORD),
        Personal("why lift_why", Whose.ANYBODY, Erasure.KEPT, _FREE_TEXT),
    ),
    "policies": (Personal("author", Whose.STAFF, Erasure.RENAMED, _RECORD),),
    "policy_events": (
        Personal("actor", Whose.STAFF, Erasure.RENAMED, _RECORD),
        Personal("why", Whose.ANYBODY, Erasure.KEPT, _FREE_TEXT),
    ),
    "certificate_changes": (
        Personal("actor", Whose.STAFF, Erasure.RENAMED, _RECORD),
        Personal("reason", Whose.ANYBODY, Erasure.KEPT, _FREE_TEXT),
    ),
    "registry_events": (Personal("actor", Whose.STAFF, Erasure.RENAMED, _RECORD),),
    "brand_references": (
        Personal("uploaded_by", Whose.STAFF, Erasure.RENAMED, _RECORD),
        Personal("file_name note state_reason source_id", Whose.ANYBODY, Erasure.KEPT, _FREE_TEXT),
    ),
    "brand_rights": (
        Personal("owner_name representative licensee_names", Whose.ANYBODY, Erasure.KEPT, "as in the public register"),
    ),
    "buyer_advice": (Personal("actor", Whose.STAFF, Erasure.RENAMED, _RECORD),),
    "brand_applications": (
        Personal("applicant decided_by", Whose.STAFF, Erasure.RENAMED, _RECORD),
        Personal("note reason payload", Whose.ANYBODY, Erasure.KEPT, _FREE_TEXT),
    ),
    "brand_grants": (
        Personal("holder", Whose.STAFF, Erasure.DELETED, "as long as the access"),
        Personal("granted_by", Whose.STAFF, Erasure.RENAMED, _RECORD),
    ),
    "api_keys": (
        Personal("name created_by revoked_by", Whose.STAFF, Erasure.RENAMED, "for good: who could do what, and when"),
    ),
    "scans": (
        Personal("started_by", Whose.STAFF, Erasure.RENAMED, _RECORD),
        Personal("spec output", Whose.ANYBODY, Erasure.KEPT, "as long as the scan: paths and filters"),
    ),
}

# What is about no person: ids, states, digests, versions, vectors, figures, brands. Secrets are nobody's, but secret.
IMPERSONAL: dict[str, str] = {
    "api_key_brands": "key_id brand_id",
    "api_keys": "key_id secret_hash roles",
    "appeals": "appeal_id decision_id case_id document_sha256s state",
    "audit_entries": "entry hash",
    "audit_heads": "hash time signature signer",
    "authorised_sellers": "brand_id territory",
    "batch_cases": "batch_id case_id resolution_id error",
    "batches": "batch_id",
    "brand_applications": "application_id state brand_id",
    "brand_grants": "brand_id",
    "brand_keywords": "brand_id keyword",
    "brand_names": "brand_id name lookup_key",
    "brand_references": "reference_id brand_id mark_id kind state image_sha256 pdq pdq_mirrored origin licence bank_id "
    "image_format",
    "brand_rights": "brand_id right_id type mark_text mark_image_sha256 office_code application_number "
    "registration_number international_registration_number nice_classes status territories power_of_attorney_sha256 "
    "exhaustion_regime exhaustion_territories",
    "brand_tiers": "brand tier",
    "brands": "brand_id name",
    "buyer_advice": "brand_id items serial_template",
    "calibrations": "fusion_version version payload",
    "case_brands": "case_id brand_id",
    "case_reasons": "case_id reason_code",
    "case_requests": "scope request_id request_sha256 subject_id",
    "cases": "case_id decision_id listing_id brand market verdict origin scan_id certificate_id state lease_token",
    "catalogue_cursors": "name",
    "certificate_changes": "certificate_id state",
    "certificates": "certificate_id tier fusion_version calibration model_fingerprint policy_version",
    "change_log": "kind subject_id mark",
    "check_answers": "resolution_id check_id verdict reason_code",
    "checks": "check_id gold_case_id decision_id right_verdict state lease_token",
    "counters": "name",
    "decision_events": "kind decision_id verdict case_id",
    "decision_facts": "decision_id",
    "decisions": "decision_id listing_id brand claimed_brand_id verdict idempotency_key request_sha256 "
    "model_fingerprint index_version policy_version market title_signature",
    "evidence_packages": "package_id case_id listing_id audience digest previous_digest",
    "gold_cases": "case_id verdict",
    "idempotency_keys": "key request_sha256 decision_id",
    "kept_photos": "owner owner_id listing_id brand state",
    "legal_holds": "hold_id subject verdict",
    "legal_steps": "step_id case_id decision_id kind",
    "listing_brands": "listing_id brand_id reference_id",
    "listing_images": "decision_id sha256 pdq features embedding",
    "listing_regions": "listing_id decision_id category fingerprint places marks",
    "marks": "mark_id brand_id kind name right_ids",
    "policies": "version content state",
    "policy_events": "version action before after",
    "price_bands": "brand_id category_path market low high currency",
    "price_observations": "observation_id brand category condition amount currency",
    "reference_embeddings": "fingerprint reference_id vector",
    "reference_features": "reference_id features",
    "registry_events": "brand_id subject_id action fields before",
    "removed_images": "listing_id sha256 pdq brand features embedding fingerprint",
    "removed_listings": "listing_id decision_id reason",
    "reports": "report_id listing_id reporter_type reason_code image_sha256s state case_id decision_id settled_by "
    "brand_id",
    "resolutions": "resolution_id case_id decision_id verdict reason_code batch_id appeal_id removal_before",
    "reviews": "kind case_id resolution_id verdict judges",
    "scans": "scan_id state plan progress versions error worker",
    "secrets": "name value",
    "seller_listings": "listing_id decision_id",
    "seller_priors": "kind",
    "seller_ring_links": "ring_id",
    "seller_ring_members": "ring_id",
    "seller_rings": "ring_id",
    "shadow_outcomes": "policy_version decision_id verdict fired",
    "sweep_hits": "decision_id reference_id case_id",
    "verdicts": "decision_id listing_id brand source machine_verdict certificate_id",
    "wagers": "certificate_id",
}


def columns_of(whose: Whose, erasure: Erasure) -> list[tuple[str, str]]:
    """Return the columns, each as table and column, that are about somebody and erased in some way."""
    return [
        (table, column)
        for table, parts in PERSONAL.items()
        for part in parts
        if part.whose is whose and part.erasure is erasure
        for column in part.columns.split()
    ]
