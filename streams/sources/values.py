"""Values as senders write them. What can't be read is None, or raises with its reason."""

from __future__ import annotations

import math
import re
import unicodedata
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from fnmatch import fnmatchcase
from typing import Any
from zoneinfo import ZoneInfo

import idna
import phonenumbers

_LARGEST = Decimal(10) ** 30
TEXT = 500  # characters of an optional detail
# What programs write where nobody is meant; public reports of wrongly merged profiles name them.
_NOBODY = frozenset({
    "", "0", "-1", "null", "nil", "none", "nan", "undefined", "undefined undefined", "void",
    "empty", "blank", "false", "true", "n/a", "na", "n.a.", "-", "--", "_", ".", "?", "unknown",
    "unknown user", "anonymous", "anon", "guest", "visitor", "user", "userid", "user_id", "user id",
    "id", "email", "distinctid", "distinct_id", "default", "string", "object", "not set",
    "(not set)", "(none)", "not_set", "notset", "not available", "not applicable", "no id", "noid",
    "not_authenticated", "unauthenticated", "logged_out", "loggedout", "deleted", "[object object]",
    "[object undefined]", "[object null]", "{}", "[]", "()", '""', "''", "xxx",
    "lorem ipsum", "ipsum", "yourdomain", "ffffffff-ffff-ffff-ffff-ffffffffffff",
})  # fmt: skip
_TEMPLATE = re.compile(
    r"\{\{.*\}\}|\$\{.*\}|%%?[\w. ]+%%?|<%.*%>|<[\w. -]+>|\[\[.*\]\]|\{[\w. -]+\}|\[object \w+\]",
    re.DOTALL,
)
_NULLS = re.compile(r"[0-]+")
# Addresses that forms and scripts send where nobody is meant.
_NOBODYS_MAIL = frozenset({
    "test@test.com", "none@none.com", "no@no.com", "noemail@noemail.com", "no-email@no-email.com",
    "na@na.com", "n/a@n/a.com", "null@null.com", "undefined@undefined.com", "asdf@asdf.com",
    "a@a.com", "aa@aa.com", "email@email.com", "no@email.com", "noemail@email.com",
    "none@email.com", "unknown@unknown.com", "xxx@xxx.com", "abc@abc.com", "name@domain.com",
    "user@domain.com", "email@domain.com", "your@email.com", "youremail@domain.com",
    "mail@mail.com", "me@me.com", "1@1.com", "123@123.com",
    "anonymous@anonymous.com",
})  # fmt: skip
# What nobody sees in an address: zero-width spaces, directional marks, soft hyphens, selectors.
_UNSEEN = re.compile(
    "[\\x00-\\x1f\\x7f-\\x9f\\u00ad\\u034f\\u061c\\u115f\\u1160\\u17b4\\u17b5"
    "\\u180b-\\u180f\\u200b-\\u200f\\u202a-\\u202e"
    "\\u2060-\\u206f\\ufe00-\\ufe0f\\ufeff\\U000e0000-\\U000e0fff]"
)
_ANGLE = re.compile(r"[^<>]*<\s*([^<>]+?)\s*>[^<>]*")
_AROUND = " \t\r\n\"'`,;:()[]{}<>.\u00ab\u00bb\u201c\u201d\u2018\u2019\u3000\u00a0"
_LOCAL = re.compile(r"[^\s@,;:()\[\]<>\\\"]{1,64}")


def text(value: Any, limit: int = TEXT) -> str | None:
    """Read an optional text; None for nothing, a list, an object.

    A number or a boolean is written as text, and a text that is too long is cut.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    if isinstance(value, int | float):
        return str(value)[:limit] if not isinstance(value, float) or math.isfinite(value) else None
    if not isinstance(value, str):
        return None
    kept = value.replace("\x00", "").strip()
    return kept[:limit] or None


def name(value: Any) -> str | None:
    """Read an id that names one person or record; None for what programs write for nobody."""
    found = text(value, 250)
    if found is None:
        return None
    plain = " ".join(found.split()).casefold()
    if plain in _NOBODY or _TEMPLATE.fullmatch(found) or _NULLS.fullmatch(plain):
        return None
    return found


def identified(value: Any) -> str | None:
    """Read the id of a record that its system numbers: also 1, which elsewhere names nobody."""
    found = text(value, 250)
    return found if found and (found.isdigit() and int(found) > 0) else name(value)


def record(value: Any) -> dict[str, Any]:
    """Read an optional object: an empty one where it is missing or something else."""
    return value if isinstance(value, dict) else {}


def number(value: Any) -> int:
    """Read a whole number.

    Raises:
        ValueError: it is none.

    """
    if isinstance(value, bool) or value is None:
        raise ValueError("it is no number")
    if isinstance(value, str) and len(value) > 40:
        raise ValueError("it is no number: more than 40 characters")
    if isinstance(value, int):
        return value
    try:
        found = Decimal(str(value).strip())
    except InvalidOperation as error:
        raise ValueError(f"{str(value)[:40]!r} is no number") from error
    # Checked before it is written out: 1e999999999 would never end.
    if not found.is_finite() or abs(found) >= _LARGEST:
        raise ValueError(f"{str(value)[:40]!r} is no number that anything is counted in")
    return int(found)


def count(value: Any) -> int:
    """Read a count that a report may leave out: 0 where it does."""
    return 0 if value in (None, "") else max(0, number(value))


def _written(value: Any) -> str | None:
    """Return a text or number as written; "" where it was cleared, None for anything else."""
    return None if value is None or isinstance(value, bool | list | dict) else str(value).strip()


def named_by(field: str, patterns: str) -> bool:
    """Return whether a field is one of those that patterns with commas between name."""
    return any(fnmatchcase(field, pattern.strip()) for pattern in patterns.split(","))


def money(value: Any) -> str | None:
    """Read an amount as a decimal string; "" where it was cleared, None where it is none.

    It has at most 6 places, rounded to even. Machines write 12500.00, 1.25E7 or
    0.30000000000000004. What people write is a mapping's to read.
    """
    written = _written(value)
    if not written:
        return written
    try:
        found = Decimal(written) if len(written) <= 100 else None
    except InvalidOperation:
        return None
    if found is None or not found.is_finite() or abs(found) >= 10**12:
        return None
    rounded = found.quantize(Decimal("0.000001"), ROUND_HALF_EVEN)
    plain = f"{rounded:f}"
    return (plain.rstrip("0").rstrip(".") if "." in plain else plain) or "0"


def iso_ms(value: Any) -> int:
    """Read an ISO 8601 time with a zone as ms.

    Raises:
        ValueError: no zone, or no time at all.

    """
    if not isinstance(value, str):
        # The sender's mistake, so no TypeError.
        raise ValueError(  # noqa: TRY004
            "it is no time: write one like 2026-01-31T09:00:00Z"
        )
    try:
        moment = datetime.fromisoformat(value.strip())
    except ValueError as error:
        raise ValueError(
            f"{value[:40]!r} is no time: write one like 2026-01-31T09:00:00Z"
        ) from error
    if moment.tzinfo is None:
        raise ValueError(f"{value[:40]!r} has no time zone; send one, like 2026-01-31T09:00:00Z")
    return int(moment.astimezone(UTC).timestamp() * 1000 + 0.5)


def first_time(*values: Any) -> int | None:
    """Return the first of several times that can be read, in ms; None when none of those given can.

    Raises:
        ValueError: some are given and none can be read; the text is the first one's.

    """
    failed: ValueError | None = None
    for value in values:
        if value in (None, ""):
            continue
        try:
            return iso_ms(value)
        except (ValueError, OverflowError) as error:
            failed = failed or ValueError(str(error))
    if failed:
        raise failed
    return None


def day_in(value: Any, zone: str) -> str | None:
    """Read a day, ISO 8601 or ms in `zone`; "" where it was cleared, None where it is none."""
    written = _written(value)
    if not written:
        return written
    try:
        if re.fullmatch(r"-?\d{6,16}(\.0+)?", written):
            return (
                datetime.fromtimestamp(int(float(written)) / 1000, ZoneInfo(zone))
                .date()
                .isoformat()
            )
        if len(written) > 10:
            moment = datetime.fromisoformat(written)
            return (
                (moment.astimezone(ZoneInfo(zone)) if moment.tzinfo else moment).date().isoformat()
            )
        # A day has no zone.
        return datetime.strptime(written, "%Y-%m-%d").date().isoformat()  # noqa: DTZ007
    except (ValueError, OverflowError, OSError):
        return None


def email_alias(value: Any) -> str | None:
    """Return the alias of an email, the same for all its equivalent spellings, or None.

    Case, invisible characters, a display name, `mailto:`, quotes and marks around it, full-width
    forms and NFD are taken away; the domain is in IDNA. Dots and +tags stay: no provider's rules.
    """
    if not isinstance(value, str) or len(value) > 1_000:
        return None
    plain = unicodedata.normalize("NFKC", _UNSEEN.sub("", value)).strip()
    angle = _ANGLE.fullmatch(plain)
    plain = (angle[1] if angle and "@" in angle[1] else plain).strip(_AROUND)
    if plain[:7].casefold() == "mailto:":
        plain = plain[7:].partition("?")[0]
    plain = unicodedata.normalize("NFC", plain.strip(_AROUND).lower())
    if plain.count("@") != 1 or plain in _NOBODYS_MAIL:
        return None
    local, domain = (half.strip() for half in plain.split("@"))
    local, domain = local.strip("\"'"), domain.strip(".")
    if (
        not _LOCAL.fullmatch(local)
        or "." not in domain
        or (name(local) is None and name(domain.partition(".")[0]) is None)
    ):
        return None
    try:
        made = f"email:{local}@{idna.encode(domain, uts46=True).decode()}"
    except (idna.IDNAError, UnicodeError):
        return None
    return made if len(made) <= 320 else None


def phone_alias(value: Any) -> str | None:
    """Make an alias of a phone number in E.164; None if it is none or names no country."""
    written = text(value, 60)
    if not written:
        return None
    try:
        found = phonenumbers.parse(written, None)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(found):
        return None
    return f"phone:{phonenumbers.format_number(found, phonenumbers.PhoneNumberFormat.E164)}"


def aliases(*found: str | None) -> tuple[str, ...]:
    """Keep what was found, in order, each once."""
    return tuple(dict.fromkeys(alias for alias in found if alias))
