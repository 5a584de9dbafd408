"""What the launcher speaks with: browsers, the mail server, the identity provider, sources, the checker."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from http.client import HTTPException, HTTPResponse
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from sqlalchemy import Connection

from tre.cli.doctor.finding import Check, Field, Need, Place, Seen, bad, good, judged, weak
from tre.cli.services import listens
from tre.domain.errors import Reason
from tre.domain.letters.models import LetterState
from tre.domain.model import as_line
from tre.sources.policyfile import PolicyFile
from tre.sources.summary import known, state_of
from tre.store import letters
from tre.store import sources as store
from tre.system.certificates import SOON, ends_at, load_pair, pair_of, shortcomings
from tre.system.heartbeat import HEARTBEAT_SECONDS, heartbeat_age
from tre.system.hub_keys import OIDC_CLIENT_SECRET, read_secret
from tre.system.oidc_settings import OidcSettings
from tre.system.smtp import MailServer

SKEW = timedelta(seconds=30)
"""How far two clocks may differ: tokens of a provider whose clock is ahead are not valid yet."""

_WAIT_SECONDS = 3
_MOST_BYTES = 2**20
_DISCOVERY = "/.well-known/openid-configuration"


def _certificate(place: Place) -> Seen:
    """What browsers will say of the gateway's certificate."""
    if place.settings.tls.certificate is None:
        return _plain(place)
    certificate, key = pair_of(place.layout, place.settings)
    load_pair(ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), certificate, key)
    if wrong := shortcomings(certificate, place.settings.base, place.now):
        return bad("; ".join(wrong), "Have it made anew, for every host of the launcher (docs/reference/settings.md).")
    end = ends_at(certificate)
    words = f"lasts until {end:%Y-%m-%d}"
    return good(words) if end - place.now > SOON else weak(words, "Renew it, and start the gateway again.")


def _plain(place: Place) -> Seen:
    if place.settings.tls.in_force:
        return good("none here: a proxy on this machine speaks TLS")
    base = place.settings.base
    if base == "localhost" or base.endswith(".localhost"):
        return good("none: plain HTTP, for this machine only")
    remedy = "Set tls.certificate and tls.key in tre.yaml; or tls.terminatedByProxy, where a proxy does it."
    return weak(f"none: plain HTTP, and {base} is a name that other machines know", remedy)


def _mail(place: Place) -> Seen:
    mail = place.settings.mail
    if mail is None:
        return weak("none: nobody is told by mail what waits for them", "Set mail in tre.yaml (docs/mail.md).")
    quick = mail.model_copy(update={"timeout_seconds": min(mail.timeout_seconds, _WAIT_SECONDS)})
    with MailServer(quick, place.settings.base, place.layout.root).connection():
        return good(f"{mail.host}:{mail.port} answers; {mail.security}, as demanded")


def _letters(place: Place) -> Seen:
    found = place.asked(lambda connection: letters.numbers(connection, place.now))
    failed, given_up = found.states[LetterState.Failed], found.states[LetterState.Abandoned]
    remedy = "`tre mail status` says why; `tre mail again` has them tried."
    if given_up:
        return bad(f"{given_up} letters were given up, {failed} wait to be tried again", remedy)
    return weak(f"{failed} letters were tried in vain", remedy) if failed else good("none failed")


class Answered(NamedTuple):
    """What a provider answered: its JSON object, and the time that it takes it to be."""

    value: Mapping[str, Any]
    date: datetime | None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_arguments: Any) -> None:
        """Whoever answers elsewhere is not whom the settings name."""


def fetch(url: str) -> Answered:
    """A JSON object from an address. Raises `ValueError`, `OSError` and `HTTPException` for anything else."""
    if urlsplit(url).scheme not in {"http", "https"}:
        msg = f"{url} is no address of the web"
        raise ValueError(msg)
    opener = urllib.request.build_opener(_NoRedirect)
    answer: HTTPResponse
    with opener.open(url, timeout=_WAIT_SECONDS) as answer:
        body = answer.read(_MOST_BYTES)
        said = answer.headers.get("Date")
    value = json.loads(body)
    if not isinstance(value, dict):
        msg = f"{url} answers no JSON object"
        raise ValueError(msg)  # noqa: TRY004 - what was sent is wrong, not what was called
    return Answered(value, None if said is None else parsedate_to_datetime(said))


def _provider(place: Place) -> Seen:
    oidc = place.settings.oidc
    if place.settings.auth != "oidc" or oidc is None:
        return weak("none: accounts are this launcher's own, without a second factor", "Set auth: oidc and oidc.")
    read_secret(place.layout.keys / OIDC_CLIENT_SECRET)
    remedy = f"`curl -s {oidc.issuer.rstrip('/')}{_DISCOVERY}` from this machine; then correct oidc in tre.yaml."
    try:
        found = fetch(oidc.issuer.rstrip("/") + _DISCOVERY)
        wrong = disagreements(oidc, found.value)
        keys = fetch(str(found.value.get("jwks_uri", ""))).value.get("keys")
    except (OSError, ValueError, HTTPException) as error:
        return bad(f"{oidc.issuer} does not answer as a provider: {as_line(str(error), 200)}", remedy)
    if not isinstance(keys, list) or not keys:
        wrong.append("it publishes no keys, so no sign-in can be verified")
    if found.date is not None and (off := abs(found.date - place.now)) > SKEW:
        wrong.append(f"its clock differs by {off.total_seconds():.0f} s")
    return judged(wrong, f"{oidc.issuer} answers, and is what the settings say", remedy)


def disagreements(oidc: OidcSettings, said: Mapping[str, Any]) -> list[str]:
    """In what a provider's own description differs from the settings."""
    wrong = [f"it calls itself {said.get('issuer')!r}"] if said.get("issuer") != oidc.issuer else []
    pairs = {
        "authorization_endpoint": oidc.authorize_url,
        "token_endpoint": oidc.token_url,
        "userinfo_endpoint": oidc.userinfo_url,
    }
    return wrong + [f"its {name} is {said.get(name)!r}" for name, set_to in pairs.items() if said.get(name) != set_to]


def _sources(place: Place) -> Seen:
    policy = PolicyFile(place.layout.root).read()

    def ask(connection: Connection) -> tuple[int, list[str]]:
        found = known(connection, policy)
        states = {one.name: state_of(store.standing(connection, one.id), one, place.now) for one in found}
        return len(found), [f"{name}: {state}" for name, state in states.items() if state is not Reason.Entitled]

    count, wrong = place.asked(ask)
    words = f"{count} sources, each heard lately" if count else "no source elsewhere is configured"
    return judged(wrong, words, "`tre source show NAME` says why; `tre source poll NAME` asks now.")


def _checker(place: Place) -> Seen:
    """It has no socket that could be asked: its sign of life is a file."""
    layout = place.layout
    age = heartbeat_age(layout.checker_spool)
    if age is None:
        return good("has not run here yet")
    words = f"last seen {age:.0f} s ago"
    if age < HEARTBEAT_SECONDS or not listens(layout.socket("controller")):
        return good(words if age < HEARTBEAT_SECONDS else "does not run, nor does the controller")
    remedy = f"Nothing is let out meanwhile. Look into {layout.logs / 'checker.log'}, then start `tre up` again."
    return bad(f"{words}, while the controller runs", remedy)


FIELD = Field(
    "Doors",
    (
        Check("certificate", "Without it, whoever is on the way reads passwords and data.", _certificate),
        Check("mail server", "What waits for people is told by mail.", _mail),
        Check("letters", "Who was not told does not decide.", _letters, Need.record),
        Check("identity provider", "It vouches for everybody who signs in.", _provider),
        Check("sources elsewhere", "What a silent source vouched for ends.", _sources, Need.record),
        Check("checker", "Nothing is let in or out without it.", _checker),
    ),
)
