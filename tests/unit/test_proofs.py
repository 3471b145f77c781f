"""Who may send as a vendor: each proof, its replay window, and two secrets during a change."""

import pytest

from streams.sources.registry import SOURCES
from tests.support.signing import proven, sent

PROVEN = sorted(
    name for name, vendor in SOURCES.items() if vendor.routes and vendor.routes[0].proof
)
WINDOWS = {"hubspot": 300_000, "calendly": 180_000}  # ms, as their documentation has them
BY_KEY = {"dynamics", "ga4", "google", "pipedrive"}  # a word that both know, whatever the body
BODY = b'{"lead_id":"5"}'
ADDRESS = "https://leads.example.com/v1/here?a=b"
NOW = 1_795_000_000_000


@pytest.mark.parametrize("vendor", PROVEN)
def test_a_body_that_is_proven_by_either_valid_secret_is_taken_and_by_no_other(vendor):
    ask = sent(vendor, "name:the secret", BODY, ADDRESS, NOW)
    assert ask("name:the secret") == BODY
    assert ask(("name:a new secret", "name:the secret")) == BODY
    assert ask(("name:a new secret", "name:another")) is None
    assert ask(()) is None


@pytest.mark.parametrize("vendor", PROVEN)
def test_a_call_without_its_proof_is_refused(vendor):
    assert proven(vendor, "name:the secret", BODY, {}, ADDRESS, NOW) is None
    assert proven(vendor, "", BODY, {}, ADDRESS, NOW) is None


@pytest.mark.parametrize("vendor", [name for name in PROVEN if name not in BY_KEY])
def test_a_body_that_was_changed_on_its_way_is_refused(vendor):
    assert sent(vendor, "secret", BODY, ADDRESS, NOW)("secret", stored=b'{"lead_id":"6"}') is None


@pytest.mark.parametrize("vendor", sorted(WINDOWS))
def test_a_body_that_was_taken_once_can_be_sent_again_only_within_its_window(vendor):
    ask = sent(vendor, "secret", BODY, ADDRESS, NOW)
    within, beyond = WINDOWS[vendor] - 1_000, WINDOWS[vendor] + 1_000
    assert ask("secret", later=NOW + within) == ask("secret", later=NOW - within) == BODY
    assert ask("secret", later=NOW + beyond) is None
    assert ask("secret", later=NOW - beyond) is None


@pytest.mark.parametrize("vendor", PROVEN)
def test_a_vendors_secrets_are_named_and_its_refusal_names_its_scheme(vendor):
    route = SOURCES[vendor].routes[0]
    assert SOURCES[vendor].secrets
    assert route.challenge
    assert not route.challenge.startswith("Bearer")
