"""Which countries does a territory mean? ISO 3166-1 alpha-2 codes, and the regions that licences are written for."""

from __future__ import annotations

import functools

# A trade mark's rights are exhausted in the EEA as a whole (Regulation (EU) 2017/1001, Art. 15), so that licences name
# it; the members besides those of the EU are the EFTA states that joined.
_EFTA_IN_EEA = ("IS", "LI", "NO")
# VAT numbers of Northern Ireland; no country.
_NO_COUNTRY = "xi"


@functools.cache
def _countries() -> frozenset[str]:
    import pycountry

    return frozenset(str(country.alpha_2) for country in pycountry.countries)


@functools.cache
def regions() -> dict[str, tuple[str, ...]]:
    """Return the regions with the countries in them."""
    from stdnum.eu.vat import MEMBER_STATES

    union = sorted(state.upper() for state in MEMBER_STATES if state != _NO_COUNTRY)
    return {"EU": tuple(union), "EEA": tuple(sorted((*union, *_EFTA_IN_EEA)))}


def is_territory(code: str) -> bool:
    """Tell whether it is an ISO 3166-1 alpha-2 code in capitals."""
    return code in _countries()


def countries_of(territory: str) -> tuple[str, ...]:
    """Return the countries of a region, or the country itself. Raises ValueError naming what is allowed."""
    if territory in regions():
        return regions()[territory]
    if is_territory(territory):
        return (territory,)
    hint = "; the United Kingdom is GB" if territory == "UK" else ""
    raise ValueError(f"an ISO 3166-1 alpha-2 code in capitals, such as DE, or {' or '.join(regions())}{hint}")
