"""The launcher's settings: one file, `tre.yaml`, every value with a unit, a default and a reason.

Guarantees: unknown keys are refused, so a mistyped limit is not silently the default. Secrets are never settings:
they are files in `keys/`. `TRE_ROOT` names the root directory; nothing else is read from the environment.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import parse_qs, urlsplit

from pydantic import AfterValidator, Field, model_validator

from tre.domain.errors import Reason, TREError
from tre.domain.languages import CODE, SOURCE
from tre.domain.model import Line, Record, as_line
from tre.system.backup_settings import BackupSettings
from tre.system.cost_settings import CostSettings
from tre.system.mail_settings import MailSettings
from tre.system.oidc_settings import OidcSettings
from tre.system.profile_settings import CapacitySettings, GpuSettings, ProfileSettings, QuotaSettings, RenewalSettings
from tre.system.resources import read_record
from tre.system.tls_settings import TlsSettings
from tre.system.witness_settings import Witnesses

SETTINGS_FILE = "tre.yaml"


def _database_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        named = parts.username is not None or parts.password is not None or "user" in parse_qs(parts.query)
        secret = "password" in parse_qs(parts.query)
    except ValueError as error:
        msg = "this is no address"
        raise ValueError(msg) from error
    if parts.scheme != "postgresql":
        msg = "the address of the record begins with postgresql://"
        raise ValueError(msg)
    if named or secret:
        msg = "user and password do not stand in databaseUrl: each program has its own role and keys/ its password"
        raise ValueError(msg)
    return text


DatabaseUrl = Annotated[Line, AfterValidator(_database_url)]
"""Where a PostgreSQL server is, as libpq writes it, without anybody's name or password."""


LanguageCode = Annotated[Line, Field(pattern=f"^{CODE}$")]
"""A language as addresses name it: `cy`, `pt-br`."""


class ServiceUids(Record):
    """Numeric identities of the services where root starts them; nobody else on the machine may hold them.

    Each service has a user and a group of its own number; the last four are groups that several services share.
    """

    gateway: int = 19001
    """The only program that browsers reach."""
    hub: int = 19002
    """JupyterHub."""
    portal: int = 19003
    """The desk."""
    controller: int = 19004
    """The program that decides what runs, and holds the log's key."""
    storekeeper: int = 19005
    """The only writer of stores, slices and homes."""
    checker: int = 19006
    """The program that looks into files that want to leave."""
    public: int = 19007
    """The public pages, which only read."""
    record_writers: int = 19011
    """Group of the programs that change the record: controller, storekeeper, portal."""
    record_readers: int = 19012
    """Group of the programs that may reach the record at all: those, and the public pages."""
    inner_circle: int = 19013
    """Group of the programs that may ask the portal who somebody is: gateway and Hub."""
    hub_callers: int = 19014
    """Group of the programs that talk to the Hub: gateway, portal, controller."""


class UidRange(Record):
    """A range of numeric identities set aside: users of workspaces, or groups of datasets."""

    first: Annotated[int, Field(ge=1000)] = 20000
    """The first number set aside."""

    last: int = 59999
    """The last one, included."""

    @model_validator(mode="after")
    def _ordered(self) -> UidRange:
        if self.last < self.first:
            msg = "last must not lie below first"
            raise ValueError(msg)
        return self

    def holds(self, number: int) -> bool:
        """Whether a number is one of them."""
        return self.first <= number <= self.last


class WithdrawalSettings(Record):
    """What happens to files of people who opted out, after they left every slice."""

    hold_days: Annotated[int, Field(ge=0, le=3650)] = 28
    """How long files that are to be erased are kept under lock before they are: a list sent by mistake can be mended.
    Default: the 28 days in which the NCCID framework contract demands destruction with a certificate."""

    grace_days: Annotated[int, Field(ge=0, le=3650)] = 28
    """How long people have to remove copies and derived files from homes and shared folders before they are looked for
    again and what is left stands on the receipt as outstanding. UK Biobank's platform allows 90 days."""


class Settings(Record):
    """Everything an operator can set."""

    base: Annotated[Line, Field(pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$")] = "tre.localhost"
    """Domain under which every page lives; browsers resolve `*.localhost` to this machine by themselves."""

    database_url: DatabaseUrl | None = None
    """The PostgreSQL server that keeps the record (`postgresql://db.example.org/tre?sslmode=verify-full`); without it
    the record is one SQLite file. Neither user nor password stands here: each program signs in as its own role, with
    the password in `keys/database-ROLE.password` or as libpq finds it (password file, service, certificate)."""

    runtime: Literal["bubblewrap", "kubernetes"] = "bubblewrap"
    """Where workspaces run: in sandboxes of this machine, or in pods of the cluster that `cluster.yaml` describes.
    On a cluster the record is on a server, since programs of several machines share it."""

    database_role_prefix: Annotated[Line, Field(pattern=r"^[a-z][a-z0-9_]{0,30}$")] = "tre_"
    """What the roles' names on the server begin with: `tre_portal`. Two launchers on one server need two."""

    listen_address: Line = "127.0.0.1"
    """Where the gateway listens. Anything but loopback demands TLS."""

    listen_port: Annotated[int, Field(ge=1, le=65535)] = 8000
    """The gateway's port; it stands in every address unless it is the usual one of the scheme."""

    tls: TlsSettings = TlsSettings()
    """Without a certificate the gateway speaks plain HTTP: on loopback only, for `*.localhost` or behind a proxy."""

    auth: Literal["local", "oidc"] = "local"
    """Who keeps accounts: this launcher, or an OpenID provider."""

    oidc: OidcSettings | None = None
    """The provider; demanded with `auth: oidc`."""

    session_hours: Annotated[int, Field(ge=1, le=8)] = 8
    """A sign-in lasts this long: a working day, the upper bound of the design."""

    stream_staleness_seconds: Annotated[int, Field(ge=5, le=3600)] = 60
    """How long the gateway goes on by itself when it no longer hears the controller; then it lets nobody in."""

    start_timeout_seconds: Annotated[int, Field(ge=5, le=7200)] | None = None
    """A start that takes longer is stopped with reason StartTimeout. Default: 60 on one machine, 900 on a cluster,
    where an image may have to be fetched and a node to be added first."""

    workspace_cap_hours: Annotated[int, Field(ge=1, le=24 * 31)] = 24 * 7
    """A run of a workspace lasts at most this long, whatever its grant allows."""

    release_delay_seconds: Annotated[int, Field(ge=0, le=86400)] = 5
    """Time between the last approval and the release, in which it can be stopped."""

    home_retention_days: Annotated[int, Field(ge=0, le=3650)] = 28
    """How long homes are kept after a grant ended. Default: the 28 days in which the NCCID framework contract demands
    destruction with a certificate. `tre grant close` does not wait."""

    withdrawals: WithdrawalSettings = WithdrawalSettings()
    """Holds and graces of opt-outs."""

    profiles: dict[str, ProfileSettings] = {"small": ProfileSettings()}
    """Sizes of workspace by the name that grants use; giving any replaces the default list."""

    capacity: CapacitySettings = CapacitySettings()
    """How much all workspaces together may reserve."""

    renewal: RenewalSettings = RenewalSettings()
    """How new programs come to workspaces that run, and how old they may become."""

    quota: QuotaSettings = QuotaSettings()
    """What one project may hold at once."""

    gpu: GpuSettings = GpuSettings()
    """The GPUs of this machine."""

    languages: Annotated[tuple[LanguageCode, ...], Field(min_length=1, max_length=20)] = (SOURCE,)
    """Languages of the public pages; the first is the one that people write in here. Each but `en` needs a catalogue in
    `languages/` (docs/translating.md)."""

    costs: CostSettings = CostSettings()
    """Measuring what projects use, and its prices."""

    mail: MailSettings | None = None
    """The mail server, where people are to be told by mail what waits for them. Default: none, since a launcher that
    was just set up knows no server, and letters that are kept for one that never comes would only grow old."""

    backup: BackupSettings = BackupSettings()
    """When backups and restore drills are overdue."""

    witnesses: Witnesses = ()
    """Places that keep checkpoints of the audit log. Default: none but the file `audit/last-checkpoint`, which lies
    beside the record; where another place is, nobody but its keeper can say."""

    services: ServiceUids = ServiceUids()
    """Numeric users and groups of the services; used where root starts them."""

    workspace_uids: UidRange = UidRange()
    """Numeric users given to workspaces, each to one workspace for good."""

    data_groups: UidRange = UidRange(first=60100, last=64999)
    """Numeric groups given to datasets: who may read a dataset's files carries its group."""

    workspace_environment: Path | None = None
    """The read-only Python environment of workspaces; by default `.venv-workspace` beside the program."""

    @model_validator(mode="after")
    def _safe(self) -> Settings:
        if self.auth == "oidc" and self.oidc is None:
            msg = "auth says oidc, and there is no section oidc"
            raise ValueError(msg)
        loopback = self.listen_address in {"127.0.0.1", "::1"}
        if not loopback and self.tls.certificate is None:
            msg = "listenAddress is not this machine's own (127.0.0.1 or ::1): tls.certificate and tls.key are needed"
            raise ValueError(msg)
        if self.tls.redirect_port == self.listen_port:
            msg = "tls.redirectPort is the gateway's own listenPort: browsers reach plain HTTP and TLS at two ports"
            raise ValueError(msg)
        names = [place.name for place in self.witnesses]
        if len(set(names)) < len(names):
            msg = "each of witnesses needs a name of its own"
            raise ValueError(msg)
        if self.mail is None and any(place.mail for place in self.witnesses):
            msg = "a witness is to get mail, and there is no section mail"
            raise ValueError(msg)
        if self.runtime == "kubernetes" and self.database_url is None:
            msg = "runtime says kubernetes, and there is no databaseUrl: programs of several machines share the record"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _apart(self) -> Settings:
        if len(set(self.languages)) < len(self.languages):
            msg = "languages names one twice"
            raise ValueError(msg)
        ranges = (self.workspace_uids, self.data_groups)
        if ranges[0].first <= ranges[1].last and ranges[1].first <= ranges[0].last:
            msg = "dataGroups shares numbers with workspaceUids: who may read a dataset would be somebody's own group"
            raise ValueError(msg)
        numbers = list(self.services.model_dump().values())
        if len(set(numbers)) < len(numbers) or any(one.holds(number) for one in ranges for number in numbers):
            msg = "services must each have a number of their own, outside workspaceUids and dataGroups"
            raise ValueError(msg)
        return self

    @property
    def start_seconds(self) -> int:
        """How long a start may take, in seconds."""
        usual = 900 if self.runtime == "kubernetes" else 60
        return usual if self.start_timeout_seconds is None else self.start_timeout_seconds

    @property
    def scheme(self) -> str:
        """`https` where browsers speak TLS, else `http`."""
        return "https" if self.tls.in_force else "http"

    def origin(self, prefix: str = "") -> str:
        """The origin of one of the launcher's hosts: `origin("desk")` → `http://desk.tre.localhost:8000`."""
        host = f"{prefix}.{self.base}" if prefix else self.base
        default_port = 443 if self.scheme == "https" else 80
        proxy = self.tls.terminated_by_proxy
        used = self.listen_port if proxy is None else proxy.port
        port = "" if used == default_port else f":{used}"
        return f"{self.scheme}://{host}{port}"


def root_from(option: Path | None) -> Path:
    """The root directory: the option, else `TRE_ROOT`, else `tre-root` in the current directory.

    One directory has one name, whichever link leads there: locks and run directories follow from the name. Raises
    `TREError(BadInput)` where it leads nowhere.
    """
    chosen = option or Path(os.environ.get("TRE_ROOT", "tre-root"))
    try:
        return chosen.expanduser().resolve()
    except (RuntimeError, ValueError) as error:  # a link to itself, nobody's home, a zero byte
        raise TREError(
            Reason.BadInput,
            f"{as_line(str(chosen))} cannot be a root directory.",
            why=f"{as_line(str(error))}.",
            remedy="Name the launcher's root directory with --root or TRE_ROOT.",
        ) from error


def load_settings(root: Path) -> Settings:
    """Read `tre.yaml` under the root.

    Raises `TREError(SetupIncomplete)` where there is none, `TREError(BadInput)` where it is wrong.
    """
    path = root / SETTINGS_FILE
    if not path.is_file():
        raise TREError(
            Reason.SetupIncomplete,
            f"{path} does not exist.",
            why=f"{root} is no launcher's root directory.",
            remedy="Run `tre init` first, or name another root with --root or TRE_ROOT.",
        )
    return read_record(Settings, path, default=Settings())
