"""What does BrandService answer about brands, their sellers and prices? Blocking, from request to response.

Requests are checked by `serving.wire.brand` and `serving.wire.market`; the store makes a change only of the state that
it was made from, so that nobody's change is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from index.brand_records import BrandProfile, NamePlace
from index.buyer_records import BuyerAdvice
from index.errors import Conflict, NameTaken, NotFound
from index.records import ReferenceKind, ReferenceState
from index.rulings import RequestKey
from index.store.store import Store
from serving.access.caller import BRAND_OWNER, Caller
from serving.brand_names import taken_names
from serving.errors import FieldViolation, InvalidListing
from serving.page_tokens import read_token, write_token
from serving.reference_sources import free_brand_id
from serving.request_keys import key_of
from serving.wire.advice import to_advice
from serving.wire.brand import BrandUpdate, name_places, to_brand_id, to_new_brand, to_page_size, to_update
from serving.wire.brand_answers import from_profile
from serving.wire.market import to_bands, to_sellers
from serving.words.wording import BrandLexicon
from touchstone.moderation.v1 import brand_service_pb2 as pb

# Without an etag a change is made to whatever is there by then; so often it is tried before somebody else must stop.
_MOST_TRIES = 20


@dataclass(frozen=True)
class BrandAnswers:
    """One method an rpc: each raises what its parts raise, and `serving.status` tells the client.

    `lexicon` is asked what an owner's new names imitate; without it nothing is found to.
    """

    store: Store
    lexicon: Callable[[], BrandLexicon | None] = lambda: None
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    def create(self, request: pb.CreateBrandRequest, caller: Caller) -> pb.CreateBrandResponse:
        """Make a brand."""
        profile = to_new_brand(request, lambda name: free_brand_id(name, self.store))
        key = key_of(request, request.request_id, caller)
        if (made := self._made(key)) is not None:
            return pb.CreateBrandResponse(brand=from_profile(made))
        try:
            self.refuse_imitations(profile, caller)
            made = self.store.create_brand(profile, actor=caller.name, now=self.clock(), request=key)
        except NameTaken as error:
            if (made := self._made(key)) is None:  # else the same request was quicker, on another thread
                raise (error if profile.brand.name in error.names else _refused(profile, error.names)) from error
        return pb.CreateBrandResponse(brand=from_profile(made))

    def get(self, request: pb.GetBrandRequest, caller: Caller) -> pb.GetBrandResponse:
        """Look a brand up."""
        return pb.GetBrandResponse(brand=from_profile(self._seen(to_brand_id(request), caller)))

    def list(self, request: pb.ListBrandsRequest, caller: Caller) -> pb.ListBrandsResponse:
        """List a page of brands."""
        size = to_page_size(request)
        question = pb.ListBrandsRequest(name_prefix=request.name_prefix)
        after = None
        if request.page_token:
            since, key, brand_id = read_token(question, request.page_token, int, str, str)
            after = NamePlace(since=since, key=key, brand_id=brand_id)
        only = caller.brands if BRAND_OWNER in caller.roles else None
        page = self.store.list_profiles(prefix=request.name_prefix, only=only, after=after, limit=size)
        token = ""
        if (last := page.next_after) is not None:
            token = write_token(question, last.since, last.key, last.brand_id)
        return pb.ListBrandsResponse(brands=map(from_profile, page.profiles), next_page_token=token)

    def update(self, request: pb.UpdateBrandRequest, caller: Caller) -> pb.UpdateBrandResponse:
        """Change a brand's names, rights, marks or keywords."""
        wanted = to_update(request)

        def change(old: BrandProfile) -> BrandProfile:
            return self._update(old, wanted, caller)

        return pb.UpdateBrandResponse(brand=from_profile(self._change(wanted.brand_id, wanted.etag, caller, change)))

    def set_authorized_sellers(
        self, request: pb.SetAuthorizedSellersRequest, caller: Caller
    ) -> pb.SetAuthorizedSellersResponse:
        """Replace the list of authorised sellers."""
        sellers = to_sellers(request)

        def change(old: BrandProfile) -> BrandProfile:
            self.store.set_authorised_sellers(
                request.brand_id, sellers, seen=old.revision, actor=caller.name, now=self.clock()
            )
            return self.store.get_profile(request.brand_id)

        changed = self._change(request.brand_id, request.etag, caller, change)
        return pb.SetAuthorizedSellersResponse(brand=from_profile(changed))

    def set_price_bands(self, request: pb.SetPriceBandsRequest, caller: Caller) -> pb.SetPriceBandsResponse:
        """Replace the price bands."""
        bands = to_bands(request)

        def change(old: BrandProfile) -> BrandProfile:
            self.store.set_price_bands(request.brand_id, bands, seen=old.revision, actor=caller.name, now=self.clock())
            return self.store.get_profile(request.brand_id)

        changed = self._change(request.brand_id, request.etag, caller, change)
        return pb.SetPriceBandsResponse(brand=from_profile(changed))

    def set_buyer_advice(self, request: pb.SetBuyerAdviceRequest, caller: Caller) -> pb.SetBuyerAdviceResponse:
        """Replace the advice to buyers."""
        advice = to_advice(request)

        def change(old: BrandProfile) -> BrandProfile:
            self._refuse_pictures(request.brand_id, advice)
            self.store.set_buyer_advice(
                request.brand_id, advice, seen=old.revision, actor=caller.name, now=self.clock()
            )
            return self.store.get_profile(request.brand_id)

        changed = self._change(request.brand_id, request.etag, caller, change)
        return pb.SetBuyerAdviceResponse(brand=from_profile(changed))

    def _refuse_pictures(self, brand_id: str, advice: BuyerAdvice) -> None:
        """Raise InvalidListing where a picture is no active reference of the brand, in the same words for all."""
        faults = []
        for index, item in enumerate(advice.items):
            if item.reference_id and not self._shows(brand_id, item.reference_id):
                place = f"buyer_advice.items[{index}].reference_id"
                faults.append(FieldViolation(place, f"{item.reference_id!r} is no active reference of the brand"))
        if faults:
            raise InvalidListing(tuple(faults))

    def _shows(self, brand_id: str, reference_id: str) -> bool:
        try:
            reference = self.store.get_reference(reference_id)
        except NotFound:
            return False
        genuine = reference.kind is not ReferenceKind.COUNTERFEIT
        return reference.brand_id == brand_id and reference.state is ReferenceState.ACTIVE and genuine

    def _made(self, key: RequestKey | None) -> BrandProfile | None:
        """Return the brand that the same request made before. Raises KeyReused."""
        brand_id = None if key is None else self.store.find_request(key)
        return None if brand_id is None else self.store.get_profile(brand_id)

    def _seen(self, brand_id: str, caller: Caller) -> BrandProfile:
        """Return a brand. Raises NotFound, with the same words where there is none and where the caller may not see."""
        try:
            if caller.sees(brand_id):
                return self.store.get_profile(brand_id)
        except NotFound:
            pass
        raise NotFound(f"There is no brand with the id {brand_id!r}.")

    def _change(
        self, brand_id: str, etag: str, caller: Caller, change: Callable[[BrandProfile], BrandProfile]
    ) -> BrandProfile:
        """Make a change of the brand as it is; with an etag, only of the state that it is of. Raises Conflict."""
        for left in reversed(range(_MOST_TRIES)):
            old = self._seen(brand_id, caller)
            if etag and etag != old.etag:
                raise Conflict(f"The brand {brand_id!r} was changed since you read it; read it again, then change it.")
            try:
                return change(old)
            except Conflict as error:
                if etag or not left or isinstance(error, NameTaken):
                    raise
        raise AssertionError("the last try returns or raises")

    def _update(self, old: BrandProfile, wanted: BrandUpdate, caller: Caller) -> BrandProfile:
        new = wanted.apply(old)
        if new == old:
            return old
        shown = self.store.shown_marks(wanted.brand_id).difference(mark.mark_id for mark in new.marks)
        if shown:
            left_out = f"leaves out {min(shown)!r}, which references show; keep it"
            raise InvalidListing((FieldViolation("brand.marks", left_out),))
        try:
            self.refuse_imitations(new, caller, old)
            return self.store.replace_profile(new, actor=caller.name, now=self.clock())
        except NameTaken as error:
            raise _refused(new, error.names) from error

    def refuse_imitations(self, new: BrandProfile, caller: Caller, old: BrandProfile | None = None) -> None:
        """Raise NameTaken where a new name would be read as another brand's, though it is spelt differently.

        For an owner that goes further: a name that holds or imitates another one would hide it.
        """
        own, strictly = new.brand.brand_id, BRAND_OWNER in caller.roles
        words = {word for _, word in name_places(new)}
        if old is not None:
            words -= {word for _, word in name_places(old)}
        if not words:
            return
        others = (brand for brand in self.store.iter_brands() if brand.brand_id != own)
        lines = self.store.brand_keywords() if strictly else {}
        keywords = (word for brand_id, known in lines.items() if brand_id != own for word in known)
        taken = taken_names(words, others, strictly=strictly, keywords=keywords)
        if strictly and (lexicon := self.lexicon()) is not None:
            # Keywords that imitate are left out when the lexicon is built; names and aliases speak for themselves.
            names = words.intersection((new.brand.name, *new.brand.aliases))
            taken |= {word for word in names if lexicon.imitates_another(own, word)}
        if taken:
            raise NameTaken(taken)


def _refused(profile: BrandProfile, names: Iterable[str]) -> InvalidListing:
    """Say which words cannot be used, and not whose they are."""
    taken = frozenset(names)
    reason = "cannot be a name of this brand; leave it out, or ask who runs this service"
    return InvalidListing(
        tuple(FieldViolation(field, f"{word!r} {reason}") for field, word in name_places(profile) if word in taken)
    )
