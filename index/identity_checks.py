"""Is what a seller tells of themselves well formed? One check a field: the normal form, or a ValueError in plain words.

Numbers are checked by `python-stdnum` with the rules of the seller's country; where it has none, only the form is. The
errors say what is allowed and never repeat the value, which is personal: `masked` shows as much of it as may be shown.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from typing import Any

from stdnum.exceptions import ValidationError

from index.territories import is_territory, regions

# By country, the numbers that do as a tax id: modules of python-stdnum, the commonest first.
_TAX_IDS: dict[str, tuple[str, ...]] = {
    "AU": ("au.abn", "au.tfn"),
    "BR": ("br.cnpj", "br.cpf"),
    "CA": ("ca.bn", "ca.sin"),
    "CH": ("ch.vat", "ch.uid"),
    "CN": ("cn.uscc", "cn.ric"),
    "GB": ("gb.vat", "gb.utr"),
    "IN": ("in_.gstin", "in_.pan"),
    "JP": ("jp.cn",),
    "KR": ("kr.brn",),
    "NO": ("no.mva", "no.orgnr"),
    "SG": ("sg.uen",),
    "TH": ("th.tin",),
    "TR": ("tr.vkn", "tr.tckimlik"),
    "TW": ("tw.ubn",),
    "US": ("us.ein", "us.tin"),
    "VN": ("vn.mst",),
}
# Members of the EU have VAT numbers; a person without one has the tax number of their country.
_EU_TAX_IDS: dict[str, tuple[str, ...]] = {
    "DE": ("eu.vat", "de.idnr", "de.stnr"),
    "ES": ("eu.vat", "es.nif"),
    "FR": ("eu.vat", "fr.nif"),
    "IT": ("eu.vat", "it.codicefiscale"),
    "PL": ("eu.vat", "pl.nip", "pl.pesel"),
}
_REGISTERS: dict[str, tuple[str, ...]] = {
    "AU": ("au.acn", "au.abn"),
    "CN": ("cn.uscc",),
    "DE": ("de.handelsregisternummer",),
    "EE": ("ee.registrikood",),
    "FI": ("fi.ytunnus",),
    "FR": ("fr.siren", "fr.siret"),
    "JP": ("jp.cn",),
    "NO": ("no.orgnr",),
    "SE": ("se.orgnr",),
    "SG": ("sg.uen",),
    "TW": ("tw.ubn",),
}
_NUMBER = re.compile(r"[0-9A-Za-z][0-9A-Za-z ./-]{2,38}[0-9A-Za-z]")
_ACCOUNT = re.compile(r"[0-9A-Z]{4,34}")
_US_ACCOUNT = re.compile(r"(\d{9})[ /-](\d{4,17})")
_LIKE_IBAN = re.compile(r"[A-Z]{2}\d{2}[0-9A-Z]{11,30}")
_PHONE = re.compile(r"\+[1-9]\d{6,14}")  # ITU-T E.164
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s.]+(\.[^@\s.]+)+")
_EMAIL_CHARACTERS = 254  # RFC 5321, 4.5.3.1.3
_SHORT = 6


def masked(value: str) -> str:
    """Show a personal value as far as it may be shown: its ends and its length, and of a short one the length only."""
    shown = "…" if len(value) <= _SHORT else f"{value[0]}…{value[-1]}"
    return f"'{shown}' ({len(value)} characters)"


def check_words(value: str, _country: str, _register: str = "") -> str:
    """Check a name or an address: words without control characters, of at most 500 characters."""
    text = " ".join(value.split())
    if len(text) > 500 or not text.isprintable():
        raise ValueError("at most 500 printable characters")
    return text


def check_country(value: str) -> str:
    """Check the country in which a seller is established."""
    if not is_territory(value):
        raise ValueError("an ISO 3166-1 alpha-2 code in capitals, such as DE")
    return value


def check_phone(value: str, _country: str, _register: str = "") -> str:
    """Bring a telephone number into the form of E.164."""
    number = re.sub(r"[\s()./-]", "", value)
    if not _PHONE.fullmatch(number):
        raise ValueError("an international number such as +49 30 901820")
    return number


def check_email(value: str, _country: str, _register: str = "") -> str:
    """Check the form of an e-mail address; whether it works shows when it is written to."""
    address = value.strip()
    if len(address) > _EMAIL_CHARACTERS or not _EMAIL.fullmatch(address):
        raise ValueError(f"an e-mail address such as name@example.com, of at most {_EMAIL_CHARACTERS} characters")
    return address


def check_account(value: str, country: str, _register: str = "") -> str:
    """Check a bank account: an IBAN by its check digits, a US account by its routing number, others by their form."""
    compact = re.sub(r"\s", "", value).upper()
    if _LIKE_IBAN.fullmatch(compact):
        return _checked(compact, ("iban",), country)
    if country == "US" and (parts := _US_ACCOUNT.fullmatch(value.strip())):
        _checked(parts[1], ("us.rtn",), country)
        return f"{parts[1]}-{parts[2]}"
    if not _ACCOUNT.fullmatch(compact):
        raise ValueError("an IBAN, a US routing and account number with a dash, or 4 to 34 letters and digits")
    return compact


def check_tax_id(value: str, country: str, _register: str = "") -> str:
    """Check a tax number by the rules of the country."""
    in_union = ("eu.vat",) if country in regions()["EU"] else ()
    return _checked(value, _EU_TAX_IDS.get(country, in_union) or _TAX_IDS.get(country, ()), country)


def check_register_number(value: str, country: str, register: str = "") -> str:
    """Check the number of an entry in a trade register; a German one stands for nothing without its court."""
    whole = f"{register} {value}" if country == "DE" else value
    checked = _checked(whole, _REGISTERS.get(country, ()), country)
    return value.strip() if country == "DE" else checked


def check_lei(value: str, country: str, _register: str = "") -> str:
    """Check a Legal Entity Identifier (ISO 17442)."""
    return _checked(value, ("lei",), country)


def check_number(value: str, _country: str, _register: str = "") -> str:
    """Check the form of a number that no library knows, such as that of a passport."""
    text = value.strip()
    if not _NUMBER.fullmatch(text):
        raise ValueError("4 to 40 letters, digits, blanks, dots, dashes and slashes")
    return text


CHECKS: dict[str, Callable[[str, str, str], str]] = {
    "legal_name": check_words,
    "address": check_words,
    "phone": check_phone,
    "email": check_email,
    "government_id": check_number,
    "bank_account": check_account,
    "bank_account_holder": check_words,
    "tax_id": check_tax_id,
    "trade_register": check_words,
    "trade_register_number": check_register_number,
    "lei": check_lei,
}


def _checked(value: str, modules: tuple[str, ...], country: str) -> str:
    """Return the normal form by the first kind of number that the value is; by its form alone where none is known."""
    if not modules:
        return check_number(value, country)
    for name in modules:
        number = _module(name)
        try:
            normal: str = number.validate(value)
        except ValidationError:
            continue
        if name != "eu.vat" or normal[:2] == _vat_prefix(country):
            return normal
    raise ValueError(f"one with the right digits: {' or '.join(_title(name) for name in modules)}")


def _vat_prefix(country: str) -> str:
    return "EL" if country == "GR" else country  # Council Directive 2006/112/EC, Art. 215


def _module(name: str) -> Any:
    return importlib.import_module(f"stdnum.{name}")


def _title(name: str) -> str:
    """Name a kind of number as python-stdnum does, such as "VAT (European Union VAT number)"."""
    return str(_module(name).__doc__).strip().splitlines()[0].rstrip(".")
