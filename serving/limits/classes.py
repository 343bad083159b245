"""Of which kind is a call? What a caller's rates are counted by, derived from the permission that a call takes."""

from __future__ import annotations

import enum

from serving.access.permissions import RPCS, Permission


class RpcClass(enum.StrEnum):
    """What calls cost: `screens` run the models, `uploads` do and stay, `changes` are written, `reads` are not."""

    SCREENS = "screens"
    UPLOADS = "uploads"
    CHANGES = "changes"
    READS = "reads"


_SCREENS = {Permission.SCREEN, Permission.SEARCH, Permission.TRY_REFERENCES}
_UPLOADS = {Permission.ADD_REFERENCES}
_CHANGES = {
    Permission.APPLY,
    Permission.REMOVE,
    Permission.RESOLVE,
    Permission.RESOLVE_BATCHES,
    Permission.MARK_GOLD,
    Permission.REPORT,
    Permission.APPEAL,
    Permission.EXPORT_EVIDENCE,  # each is made, signed and kept
    Permission.RECORD_STEPS,
    Permission.CREATE_BRANDS,
    Permission.EDIT_BRANDS,
    Permission.DECIDE_APPLICATIONS,
    Permission.REVIEW_REFERENCES,
    Permission.RUN_SCANS,
}
# Strangers are counted by address, by `serving.buyer_servicer`; load balancers' probes are not.
_UNCOUNTED = {Permission.PUBLIC, Permission.PROBE}

# Their items are counted one by one as they arrive, not the call.
STREAMS = frozenset({"ScreenListings", "UploadReference"})


def class_of(permission: Permission) -> RpcClass | None:
    """Return the class of the calls that take a permission; None: they are not counted here."""
    if permission in _UNCOUNTED:
        return None
    if permission in _SCREENS:
        return RpcClass.SCREENS
    if permission in _UPLOADS:
        return RpcClass.UPLOADS
    return RpcClass.CHANGES if permission in _CHANGES else RpcClass.READS


CLASSES = {rpc: class_of(permission) for rpc, permission in RPCS.items()}
