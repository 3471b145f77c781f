"""Amounts and currencies, as every record that has one takes them."""

from __future__ import annotations

from typing import Annotated

import iso4217
from pydantic import AfterValidator, StringConstraints

# Withdrawn since 2015 (ISO 4217, list three): what was sold in them is history that people import.
_WITHDRAWN = {"ANG", "BGN", "BYR", "CUC", "HRK", "LTL", "MRO", "SLL", "STD", "VEF", "ZWL"}
CURRENCIES = frozenset({one.code for one in iso4217.Currency} | _WITHDRAWN)


def _known(code: str) -> str:
    if code not in CURRENCIES:
        raise ValueError(f"{code!r} is no currency of ISO 4217: write one like EUR")
    return code


Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$"), AfterValidator(_known)]
# Decimal strings, never floats; as large as the Decimal(18, 6) of their columns.
Amount = Annotated[str, StringConstraints(pattern=r"^-?\d{1,12}(\.\d{1,6})?$")]
Cost = Annotated[str, StringConstraints(pattern=r"^\d{1,12}(\.\d{1,6})?$")]
