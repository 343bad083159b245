"""What does BrandService answer about brands, their sellers and prices? Blocking, from request to response."""

from __future__ import annotations

from dataclasses import dataclass

from index.store.store import Store
from serving.caller import Caller
from touchstone.moderation.v1 import brand_service_pb2 as pb


@dataclass(frozen=True)
class BrandAnswers:
    """One method an rpc: each raises what its parts raise, and `serving.status` tells the client."""

    store: Store

    def create(self, request: pb.CreateBrandRequest, caller: Caller) -> pb.CreateBrandResponse:
        """Answer CreateBrand."""
        raise NotImplementedError

    def get(self, request: pb.GetBrandRequest, caller: Caller) -> pb.GetBrandResponse:
        """Answer GetBrand."""
        raise NotImplementedError

    def list(self, request: pb.ListBrandsRequest, caller: Caller) -> pb.ListBrandsResponse:
        """Answer ListBrands."""
        raise NotImplementedError

    def update(self, request: pb.UpdateBrandRequest, caller: Caller) -> pb.UpdateBrandResponse:
        """Answer UpdateBrand."""
        raise NotImplementedError

    def set_authorized_sellers(
        self, request: pb.SetAuthorizedSellersRequest, caller: Caller
    ) -> pb.SetAuthorizedSellersResponse:
        """Answer SetAuthorizedSellers."""
        raise NotImplementedError

    def set_price_bands(self, request: pb.SetPriceBandsRequest, caller: Caller) -> pb.SetPriceBandsResponse:
        """Answer SetPriceBands."""
        raise NotImplementedError
