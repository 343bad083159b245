"""Who may call what? One declared permission for each rpc of this server, and the roles that have it.

`serving.access.admission` asks before an rpc begins. A table of names, not of services, so that an rpc which is added
later is refused until somebody decides who may call it. Which brands a brand owner sees is not decided here but with
each brand (`Caller.sees`).
"""

from __future__ import annotations

import enum

from index.evidence_records import Audience
from serving.access.caller import BRAND_OWNER, PROVEN, Caller
from serving.errors import PermissionDenied

PIPELINE, MODERATOR, LEAD, AUDITOR, ADMIN = "pipeline", "moderator", "lead", "auditor", "admin"
# Those who work here; `PROVEN` are capacities in which outsiders report.
STAFF = frozenset({PIPELINE, MODERATOR, LEAD, AUDITOR, ADMIN})
ROLES = (PIPELINE, MODERATOR, BRAND_OWNER, LEAD, AUDITOR, ADMIN, *PROVEN)


class Permission(enum.Enum):
    """What a caller may do; the text is for people."""

    PROBE = "ask whether the server is well"
    PUBLIC = "ask and report as a buyer"
    CONNECT = "ask what the server is"
    APPLY = "apply for a brand"
    SCREEN = "have listings screened"
    WATCH = "follow all verdicts"
    REMOVE = "record removals"
    SEARCH = "search all references by image"
    READ_DECISIONS = "read any decision"
    READ_CASES = "read any case"
    RESOLVE = "decide on cases"
    RESOLVE_BATCHES = "decide on many cases at once"
    MARK_GOLD = "mark cases of known truth"
    READ_GOLD = "see which cases are of known truth"
    REPORT = "report a listing"
    APPEAL = "pass on a seller's appeal"
    VIEW_IMAGES = "look at photos and references"
    EXPORT_EVIDENCE = "take evidence packages out"
    READ_STATEMENTS = "read statements of reasons, for sellers"
    EXPORT_STATEMENTS = "export statements of reasons, for the public register"
    RECORD_STEPS = "record steps of the law's procedures"
    CREATE_BRANDS = "create brands"
    READ_BRANDS = "read brands and references"
    EDIT_BRANDS = "change brands, sellers, price bands and advice to buyers"
    READ_PORTAL = "read a brand's hits, notices and figures"
    DECIDE_APPLICATIONS = "decide on applications for brands"
    ADD_REFERENCES = "upload and retire references"
    REVIEW_REFERENCES = "decide on references"
    TRY_REFERENCES = "preview references, find listings"
    RUN_SCANS = "start and cancel scans"
    READ_SCANS = "follow scans"
    READ_INSIGHT = "see how the service and its queue do"
    READ_REVIEWERS = "see how people decide; moderators themselves only"
    READ_SELLERS = "see sellers' records and rings"


# The administrator has every permission. PROBE and PUBLIC need no credential; CONNECT and APPLY need one, and no role.
NO_CREDENTIAL = frozenset({Permission.PROBE, Permission.PUBLIC})
NO_ROLE = NO_CREDENTIAL | {Permission.CONNECT, Permission.APPLY}
GRANTS: dict[Permission, frozenset[str]] = {
    Permission.PROBE: frozenset(),
    Permission.PUBLIC: frozenset(),
    Permission.CONNECT: frozenset(),
    Permission.APPLY: frozenset(),
    Permission.SCREEN: frozenset({PIPELINE}),
    Permission.WATCH: frozenset({PIPELINE, AUDITOR}),
    Permission.REMOVE: frozenset({PIPELINE, LEAD}),
    Permission.SEARCH: frozenset({PIPELINE, MODERATOR, LEAD, AUDITOR}),
    Permission.READ_DECISIONS: frozenset({PIPELINE, MODERATOR, LEAD, AUDITOR}),
    Permission.READ_CASES: frozenset({MODERATOR, LEAD, AUDITOR}),
    Permission.RESOLVE: frozenset({MODERATOR, LEAD}),
    Permission.RESOLVE_BATCHES: frozenset({LEAD}),
    Permission.MARK_GOLD: frozenset({LEAD}),
    # Who has this is given no checks: they would know the answers.
    Permission.READ_GOLD: frozenset({LEAD, AUDITOR}),
    Permission.REPORT: frozenset({PIPELINE, MODERATOR, LEAD, BRAND_OWNER, *PROVEN}),
    # Not the brand owner: an appeal is the seller's, and its answer would tell whose decisions there are.
    Permission.APPEAL: frozenset({PIPELINE, MODERATOR, LEAD}),
    # Which pictures these are, `serving.image_access` says.
    Permission.VIEW_IMAGES: frozenset({MODERATOR, LEAD, AUDITOR, BRAND_OWNER}),
    Permission.EXPORT_EVIDENCE: frozenset({MODERATOR, LEAD, AUDITOR}),
    # The pipeline, which tells the seller.
    Permission.READ_STATEMENTS: frozenset({PIPELINE, MODERATOR, LEAD, AUDITOR}),
    Permission.EXPORT_STATEMENTS: frozenset({PIPELINE, LEAD, AUDITOR}),
    Permission.RECORD_STEPS: frozenset({PIPELINE, MODERATOR, LEAD}),
    # Not the brand owner: it would choose what it owns, and a name that is taken answers ABORTED, which would tell
    # whose brands there are.
    Permission.CREATE_BRANDS: frozenset({LEAD}),
    Permission.READ_BRANDS: frozenset({MODERATOR, LEAD, AUDITOR, BRAND_OWNER}),
    Permission.EDIT_BRANDS: frozenset({LEAD, BRAND_OWNER}),
    Permission.READ_PORTAL: frozenset({MODERATOR, LEAD, AUDITOR, BRAND_OWNER}),
    Permission.DECIDE_APPLICATIONS: frozenset({LEAD}),
    Permission.ADD_REFERENCES: frozenset({LEAD, BRAND_OWNER}),
    Permission.REVIEW_REFERENCES: frozenset({MODERATOR, LEAD, BRAND_OWNER}),
    Permission.TRY_REFERENCES: frozenset({MODERATOR, LEAD, AUDITOR, BRAND_OWNER}),
    Permission.RUN_SCANS: frozenset({LEAD}),
    Permission.READ_SCANS: frozenset({LEAD, AUDITOR}),
    Permission.READ_INSIGHT: frozenset({LEAD, AUDITOR}),
    # Whom a moderator may ask about is decided in `serving.insight_answers`.
    Permission.READ_REVIEWERS: frozenset({MODERATOR, LEAD, AUDITOR}),
    # Not the brand owner: who sells what is no business of theirs.
    Permission.READ_SELLERS: frozenset({MODERATOR, LEAD, AUDITOR}),
}

_MODERATION = "touchstone.moderation.v1.ModerationService"
_CASES = "touchstone.moderation.v1.CaseService"
_BRANDS = "touchstone.moderation.v1.BrandService"
_BUYERS = "touchstone.moderation.v1.BuyerService"
_PORTAL = "touchstone.moderation.v1.PortalService"
_SCANS = "touchstone.moderation.v1.ScanService"
_IMAGES = "touchstone.moderation.v1.ImageService"
_STATEMENTS = "touchstone.moderation.v1.StatementService"
_INSIGHT = "touchstone.moderation.v1.InsightService"
RPCS: dict[str, Permission] = {
    f"{_MODERATION}/ScreenListing": Permission.SCREEN,
    f"{_MODERATION}/ScreenListings": Permission.SCREEN,
    f"{_MODERATION}/WatchDecisions": Permission.WATCH,
    f"{_MODERATION}/RemoveListing": Permission.REMOVE,
    f"{_MODERATION}/SearchImage": Permission.SEARCH,
    f"{_MODERATION}/GetDecision": Permission.READ_DECISIONS,
    f"{_MODERATION}/GetCapabilities": Permission.CONNECT,
    f"{_MODERATION}/GetCaller": Permission.CONNECT,
    f"{_CASES}/ListCases": Permission.READ_CASES,
    f"{_CASES}/GetCase": Permission.READ_CASES,
    f"{_CASES}/ClaimCase": Permission.RESOLVE,
    f"{_CASES}/ResolveCase": Permission.RESOLVE,
    f"{_CASES}/BatchResolveCases": Permission.RESOLVE_BATCHES,
    f"{_CASES}/UndoResolution": Permission.RESOLVE,
    f"{_CASES}/MarkGoldCase": Permission.MARK_GOLD,
    f"{_CASES}/UnmarkGoldCase": Permission.MARK_GOLD,
    f"{_CASES}/ListGoldCases": Permission.READ_GOLD,
    f"{_CASES}/ReportListing": Permission.REPORT,
    f"{_CASES}/AppealDecision": Permission.APPEAL,
    f"{_CASES}/ExportEvidence": Permission.EXPORT_EVIDENCE,
    f"{_BRANDS}/CreateBrand": Permission.CREATE_BRANDS,
    f"{_BRANDS}/GetBrand": Permission.READ_BRANDS,
    f"{_BRANDS}/ListBrands": Permission.READ_BRANDS,
    f"{_BRANDS}/UpdateBrand": Permission.EDIT_BRANDS,
    f"{_BRANDS}/UploadReference": Permission.ADD_REFERENCES,
    f"{_BRANDS}/ListReferences": Permission.READ_BRANDS,
    f"{_BRANDS}/ReviewReference": Permission.REVIEW_REFERENCES,
    f"{_BRANDS}/RetireReference": Permission.ADD_REFERENCES,
    f"{_BRANDS}/PreviewReference": Permission.TRY_REFERENCES,
    f"{_BRANDS}/FindListings": Permission.TRY_REFERENCES,
    f"{_BRANDS}/SetAuthorizedSellers": Permission.EDIT_BRANDS,
    f"{_BRANDS}/SetPriceBands": Permission.EDIT_BRANDS,
    f"{_BRANDS}/SetBuyerAdvice": Permission.EDIT_BRANDS,
    f"{_BUYERS}/CheckListing": Permission.PUBLIC,
    f"{_BUYERS}/CheckSerial": Permission.PUBLIC,
    f"{_BUYERS}/GetAdviceImage": Permission.PUBLIC,
    f"{_BUYERS}/Report": Permission.PUBLIC,
    f"{_BUYERS}/GetReport": Permission.PUBLIC,
    f"{_PORTAL}/GetPortal": Permission.READ_PORTAL,
    f"{_PORTAL}/ListNotices": Permission.READ_PORTAL,
    f"{_PORTAL}/ListHits": Permission.READ_PORTAL,
    f"{_PORTAL}/ApplyForBrand": Permission.APPLY,
    f"{_PORTAL}/ListApplications": Permission.APPLY,
    f"{_PORTAL}/DecideApplication": Permission.DECIDE_APPLICATIONS,
    f"{_SCANS}/StartScan": Permission.RUN_SCANS,
    f"{_SCANS}/GetScan": Permission.READ_SCANS,
    f"{_SCANS}/WatchScan": Permission.READ_SCANS,
    f"{_SCANS}/CancelScan": Permission.RUN_SCANS,
    f"{_IMAGES}/ListImages": Permission.VIEW_IMAGES,
    f"{_IMAGES}/GetImage": Permission.VIEW_IMAGES,
    f"{_STATEMENTS}/GetStatement": Permission.READ_STATEMENTS,
    f"{_STATEMENTS}/ExportStatements": Permission.EXPORT_STATEMENTS,
    f"{_STATEMENTS}/GetLegalClock": Permission.READ_CASES,
    f"{_STATEMENTS}/RecordLegalStep": Permission.RECORD_STEPS,
    f"{_INSIGHT}/GetVolumes": Permission.READ_INSIGHT,
    f"{_INSIGHT}/GetPrecision": Permission.READ_INSIGHT,
    f"{_INSIGHT}/GetCalibration": Permission.READ_INSIGHT,
    f"{_INSIGHT}/ListThresholds": Permission.READ_INSIGHT,
    f"{_INSIGHT}/GetDrift": Permission.READ_INSIGHT,
    f"{_INSIGHT}/GetQueue": Permission.READ_INSIGHT,
    f"{_INSIGHT}/ListReviewers": Permission.READ_INSIGHT,
    f"{_INSIGHT}/GetReviewer": Permission.READ_REVIEWERS,
    f"{_INSIGHT}/GetSeller": Permission.READ_SELLERS,
    "grpc.health.v1.Health/Check": Permission.PROBE,
    "grpc.health.v1.Health/Watch": Permission.PROBE,
    "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": Permission.CONNECT,
}


def may(caller: Caller, rpc: str) -> bool:
    """Tell whether a caller who is known may call "package.Service/Method"; what is not declared, nobody may."""
    permission = RPCS.get(rpc)
    if permission is None:
        return False
    return permission in NO_ROLE or bool(caller.roles & {*GRANTS[permission], ADMIN})


def entitled(caller: Caller, permission: Permission) -> bool:
    """Tell whether a caller who was let in has one more permission; where nobody has to sign in, everybody does."""
    return not caller.roles or bool(caller.roles & {*GRANTS[permission], ADMIN})


def check_audience(caller: Caller, audience: Audience) -> None:
    """Check that a caller may take out a package for an audience. Raises PermissionDenied.

    What has everything in it, identities included, is for leads and auditors; who calls without roles was let in as
    somebody whom nothing holds (`serving.access.admission`).
    """
    if audience is Audience.BRAND_OWNER or not caller.roles or caller.roles & {LEAD, AUDITOR, ADMIN}:
        return
    raise PermissionDenied(
        f"A package for {audience} has everything about the seller in it; a lead or an auditor takes it out."
    )


def require(caller: Caller, rpc: str) -> None:
    """Check that a caller may call an rpc. Raises PermissionDenied, with the roles that may."""
    if may(caller, rpc):
        return
    if rpc not in RPCS:
        raise PermissionDenied(f"{rpc} has no declared permission on this server, so nobody may call it.")
    has = ", ".join(sorted(caller.roles)) or "none"
    needed = ", ".join(sorted({*GRANTS[RPCS[rpc]], ADMIN}))
    raise PermissionDenied(
        f"Your roles ({has}) do not cover {rpc}; it takes one of {needed}, which an administrator grants."
    )
