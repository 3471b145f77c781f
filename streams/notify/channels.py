"""The ways out: mail and everything else by apprise, the CRM's webhook by httpx. Blocking.

Each carries the message's own id, by which a receiver knows a repeat: mail in `Message-ID`, what
takes headers in `Idempotency-Key`. Nothing here logs or raises an address: it may hold a secret.
"""

from __future__ import annotations

import email
import hashlib
import hmac
import logging
import smtplib
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import httpx
from apprise import Apprise, AppriseAsset, NotifyFormat
from apprise.plugins.email.base import NotifyEmail
from apprise.plugins.email.smtp import AppriseSMTPController

from schemas.errors import LeadstreamError

from . import wording

if TYPE_CHECKING:
    from schemas.wire.models.notices import Notification

    from .wording import Words

IDEMPOTENCY, SIGNATURE = "Idempotency-Key", "Leadstream-Signature"
SECONDS = 15.0  # for one request of the webhook
_ASSET = AppriseAsset(app_id="leadstream", app_desc="leadstream", app_url="")
_TRANSIENT = frozenset({408, 425, 429})  # of 4xx: a later try may succeed

# It names addresses in its warnings; what failed is counted and named by the book's own ids.
logging.getLogger("apprise").setLevel(logging.CRITICAL)


class NotTaken(LeadstreamError):  # noqa: N818 - a channel's state; whoever sends tries again
    """A channel did not take a message; a later try may succeed.

    It may have taken it all the same and not have said so, unless `certain`.
    """

    certain = False


class Unreachable(NotTaken):
    """Nobody was there to take a message."""

    certain = True


class Refused(LeadstreamError):  # noqa: N818 - whoever runs the receiver must act
    """A receiver refused a message for good."""


def problem(address: str, mail: str) -> str:
    """Return why an address of the book can't be used, or nothing. It repeats no secret."""
    if "://" not in address:
        if "@" not in address:
            return "neither an address of mail nor a URL of apprise"
        if not mail:
            return "an address of mail, and `mail:` names no server for it"
        return "" if _plugin(address, mail) else "the server that `mail:` names can't be read"
    scheme = address.partition("://")[0]
    return "" if _plugin(address, mail) else f"apprise can't read this {scheme}:// URL"


def web_problem(url: str) -> str:
    """Return why the CRM's webhook can't be used, or nothing: https, or http on loopback."""
    try:
        parts = urlsplit(url)
        host, scheme = parts.hostname or "", parts.scheme
        _ = parts.port
    except ValueError:
        return "no address: write https://host/path"
    local = host in ("127.0.0.1", "localhost", "::1")
    if not host or not (scheme == "https" or (scheme == "http" and local)):
        return "write https://host/path (http is for loopback)"
    return ""


def send(address: str, mail: str, message: Notification, words: Words) -> None:
    """Send a message to an address of the book.

    Raises:
        NotTaken: the channel did not take it, or can't be used now.

    """
    plugin = _plugin(address, mail)
    if plugin is None:
        raise Unreachable("the address can't be used: see `leadstream notifier --check`")
    subject, text = wording.headline(message, words), wording.text(message, words)
    if isinstance(plugin, NotifyEmail):
        _mail(plugin, message.id, subject, text)
        return
    if isinstance(getattr(plugin, "headers", None), dict):
        plugin.headers[IDEMPOTENCY] = message.id
    sender = Apprise(asset=_ASSET)
    sender.add(plugin)
    if not sender.notify(body=text, title=subject, body_format=NotifyFormat.TEXT):
        raise NotTaken("it did not take the message")


def _plugin(address: str, mail: str) -> Any:
    if "://" not in address:
        address = f"{mail}{'&' if '?' in mail else '?'}to={quote(address, safe='@')}"
    return Apprise.instantiate(address, asset=_ASSET)


def _mail(plugin: Any, name: str, subject: str, text: str) -> None:
    """Send a mail as apprise makes it, but under our own Message-ID: it would make a new one."""
    made = NotifyEmail.prepare_emails(
        subject=subject,
        body=text,
        from_addr=plugin.from_addr,
        to=plugin.targets,
        cc=plugin.cc,
        bcc=plugin.bcc,
        reply_to=plugin.reply_to,
        smtp_host=plugin.smtp_host,
        notify_format=NotifyFormat.TEXT,
        headers={**plugin.headers, "Auto-Submitted": "auto-generated"},
        names=plugin.names,
    )
    try:
        with AppriseSMTPController(
            host=plugin.smtp_host,
            port=plugin.port,
            secure_mode=plugin.secure_mode,
            user=plugin.user,
            password=plugin.password,
            verify_certificate=plugin.verify_certificate,
            socket_connect_timeout=plugin.socket_connect_timeout,
        ) as server:
            for one in made:
                parsed = email.message_from_string(one.body)
                del parsed["Message-ID"]
                parsed["Message-ID"] = f"<{name}@leadstream>"
                taken = server.sendmail(plugin.from_addr[1], one.to_addrs, parsed.as_string())
                if not taken:
                    raise NotTaken("the mail server refused it")
    except ConnectionRefusedError as error:
        raise Unreachable("the mail server is away") from error
    except (OSError, smtplib.SMTPException, RuntimeError) as error:
        raise NotTaken(f"the mail server failed ({type(error).__name__})") from error


def sign(secret: str, at: int, body: bytes) -> str:
    """Return the signature of a webhook's body: HMAC-SHA256 of `<unix seconds>.<body>`."""
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


def post(url: str, secret: str, message: Notification, words: Words) -> None:
    """Post a message to the CRM's webhook.

    Raises:
        NotTaken: it did not answer, answered 5xx, or asked for patience.
        Refused: it answered otherwise, so the same request would be answered the same way.

    """
    if not secret:
        raise Unreachable("LEADSTREAM_NOTIFY_SECRET is not set, so nothing can be signed")
    body = wording.document(message, words).model_dump_json().encode()
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "leadstream",
        IDEMPOTENCY: message.id,
        SIGNATURE: sign(secret, int(time.time()), body),
    }
    try:
        answer = httpx.post(url, content=body, headers=headers, timeout=SECONDS)
    except httpx.ConnectError as error:
        raise Unreachable("nobody is there") from error
    except httpx.HTTPError as error:
        raise NotTaken(f"it does not answer ({type(error).__name__})") from error
    if answer.is_success:
        return
    if answer.is_server_error or answer.status_code in _TRANSIENT:
        raise NotTaken(f"it answers {answer.status_code}")
    raise Refused(f"it answers {answer.status_code}")
