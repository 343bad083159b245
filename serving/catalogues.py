"""Where is the index of screened listings? In this process or in Milvus, as the settings say."""

from __future__ import annotations

import importlib
from collections.abc import Callable

from index.catalogue_following import Followed, MemoryFollowing, OutsideFollowing
from index.milvus_regions import MilvusRegions
from index.refresh import Holder
from index.store.store import Store
from serving.errors import SettingsError
from serving.settings import Settings

Follow = Callable[[Settings, Store, str, int], Holder[Followed]]

BACKENDS = {
    "faiss": "serving.catalogues:follow_in_memory",
    "exact": "serving.catalogues:follow_in_memory",
    "milvus": "serving.catalogues:follow_in_milvus",
}


def follow_catalogue(settings: Settings, store: Store, fingerprint: str, dim: int) -> Holder[Followed]:
    """Make what follows the catalogue by one model; nothing is read before its first refresh."""
    module, _, name = BACKENDS[settings.catalogue_backend].partition(":")
    follow: Follow = getattr(importlib.import_module(module), name)
    return follow(settings, store, fingerprint, dim)


def follow_in_memory(settings: Settings, store: Store, fingerprint: str, dim: int) -> Holder[Followed]:
    """Follow it in memory."""
    following = MemoryFollowing(
        store=store,
        fingerprint=fingerprint,
        dim=dim,
        backend=settings.catalogue_backend,
        limit=settings.catalogue_regions,
        folder=settings.data_dir,
    )
    return Holder(Followed(), following.renew)


def follow_in_milvus(settings: Settings, store: Store, fingerprint: str, dim: int) -> Holder[Followed]:
    """Follow it in Milvus. Raises SettingsError when nothing says where that is."""
    return Holder(Followed(), milvus_following(settings, store, fingerprint, dim).renew)


def milvus_following(settings: Settings, store: Store, fingerprint: str, dim: int) -> OutsideFollowing:
    """Make what feeds Milvus. Raises SettingsError when nothing says where that is."""
    if not settings.milvus_uri:
        raise SettingsError("milvus_uri: is not set; say where Milvus answers, such as http://milvus:19530")
    index = MilvusRegions(settings.milvus_uri, dim, fingerprint=fingerprint, token=settings.milvus_token)
    return OutsideFollowing(
        store=store, fingerprint=fingerprint, name=f"{settings.milvus_uri} {index.collection}"[:256], index=index
    )
