"""The portal's internal interface, as the Hub uses it: who may sign in, and under which name.

Guarantees: the Hub keeps no password and no list of people; the name that comes back is compared with the one
derived here from issuer and subject, so that no answer can sign one person in as another. Names and passwords
longer than a person's are refused before anybody is asked.

Threat: a password store beside the one that is rate-limited; a mixed-up answer that swaps two people.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import ConfigDict, Field, ValidationError

from tre.domain.errors import Reason, TREError
from tre.domain.model import Line, Record
from tre.domain.names import hub_user_name
from tre.domain.people import LOCAL_ISSUER, Subject
from tre.system.local_http import Answer, ask

T = TypeVar("T", bound=Record)

MAX_NAME = 255
MAX_PASSWORD = 1024
MAX_GROUPS = 500


class RateLimitedError(TREError):
    """Too many attempts; `retry_after` says in seconds when the next one is looked at."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(
            Reason.RateLimited,
            "Too many attempts to sign in.",
            remedy=f"Wait {_duration(retry_after)}, then try again.",
        )
        self.retry_after = retry_after


@dataclass(frozen=True)
class SignedIn:
    """A person whom the portal knows: the Hub's name for them, and what the screen calls them."""

    hub_name: str
    display_name: str


@dataclass(frozen=True)
class Vouched:
    """A person as the provider vouches for them."""

    subject: Subject
    display_name: str
    groups: frozenset[str]
    email: str | None = None


class _Known(Record):
    model_config = ConfigDict(extra="ignore")  # roles are the portal's business

    hub_name: Line


class _LocalAccount(_Known):
    display_name: Line
    subject: Subject


class _Wait(Record):
    model_config = ConfigDict(extra="ignore")

    retry_after: Annotated[float, Field(ge=0, le=86400)] = 60


class PortalInternal:
    """Calls to the socket `portal-internal`."""

    def __init__(self, socket: Path, *, timeout: float = 10.0) -> None:
        self._socket = socket
        self._timeout = timeout

    async def login(self, name: str, password: str, address: str) -> SignedIn:
        """Check a local account.

        Raises `TREError(LoginFailed)`, `RateLimitedError`, or `TREError(ServiceUnavailable)`.
        """
        lengths = 1 <= len(name) <= MAX_NAME and 1 <= len(password) <= MAX_PASSWORD
        if not lengths or not name.isprintable() or name != name.strip():
            raise _login_failed()
        answer = await self._post("/internal/login", {"name": name, "password": password, "address": address})
        if answer.status == 401:
            raise _login_failed()
        if answer.status == 429:
            raise RateLimitedError(_retry_after(answer.value))
        account = _parse(_LocalAccount, answer)
        if account.subject.issuer != LOCAL_ISSUER:
            raise _senseless("it names a person of another issuer")
        return SignedIn(_same_name(account.hub_name, account.subject), account.display_name)

    async def person(self, vouched: Vouched) -> SignedIn:
        """Tell the portal who was vouched for by the identity provider, in which groups, and how they are reached.

        Raises `TREError(ServiceUnavailable)`, or `TREError(LoginFailed)` where the portal refuses the person.
        """
        subject = vouched.subject
        body: dict[str, Any] = {
            "issuer": subject.issuer,
            "id": subject.id,
            "displayName": vouched.display_name,
            "groups": sorted(vouched.groups)[:MAX_GROUPS],
        }
        if vouched.email is not None:
            body["email"] = vouched.email
        answer = await self._post("/internal/people", body)
        if answer.status in {401, 403}:
            raise TREError(Reason.LoginFailed, "This person may not sign in here.", remedy="Ask an operator.")
        return SignedIn(_same_name(_parse(_Known, answer).hub_name, subject), vouched.display_name)

    async def reconciled(self, vouched: Collection[Vouched], refused: Collection[Subject]) -> None:
        """Tell the portal of whom the provider was asked again. Raises `TREError(ServiceUnavailable)`."""
        people = [
            {
                "issuer": one.subject.issuer,
                "id": one.subject.id,
                "displayName": one.display_name,
                "groups": sorted(one.groups)[:MAX_GROUPS],
            }
            for one in vouched
        ]
        body = {"people": people, "refused": [one.as_plain() for one in refused]}
        answer = await self._post("/internal/reconciled", body)
        if answer.status != 200:
            raise _senseless(f"status {answer.status}")

    async def _post(self, path: str, body: dict[str, Any]) -> Answer:
        return await ask(self._socket, "POST", path, body=body, timeout=self._timeout)


def _parse(kind: type[T], answer: Answer) -> T:
    if answer.status != 200:
        raise _senseless(f"status {answer.status}")
    try:
        return kind.model_validate(answer.value)
    except ValidationError as error:
        raise _senseless(f"{error.error_count()} values are not as agreed") from error


def _same_name(told: str, subject: Subject) -> str:
    expected = hub_user_name(subject.issuer, subject.id)
    if told != expected:
        raise _senseless("it names another person")
    return expected


def _retry_after(value: Any) -> int:
    try:
        return max(1, round(_Wait.model_validate(value or {}).retry_after))
    except ValidationError:
        return 60


def _login_failed() -> TREError:
    return TREError(
        Reason.LoginFailed,
        "The name or the password is not right.",
        remedy="Check both and try again.",
    )


def _senseless(why: str) -> TREError:
    return TREError(
        Reason.ServiceUnavailable, "Sign-in is not available at the moment.", why=f"The portal's answer: {why}."
    )


def _duration(seconds: int) -> str:
    if seconds < 90:
        return f"{seconds} second{'' if seconds == 1 else 's'}"
    return f"{-(-seconds // 60)} minutes"
