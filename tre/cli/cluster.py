"""`tre cluster`: what the chart's jobs and pods run. People type `helm` and `kubectl` instead."""

from __future__ import annotations

import http.client
import os
import ssl
from pathlib import Path
from typing import Annotated

import typer

from tre.cli import common
from tre.cli.cluster_keys import FRONT, SPECS, Maker, Secrets
from tre.cli.cluster_pod import Given, lay_out, run, wait_for_commands
from tre.cli.cluster_prepare import prepare
from tre.cli.common import JsonOption, RootOption, command
from tre.cli.doctor.cluster import SECONDS as CLUSTER_SECONDS
from tre.cli.doctor.cluster import View, field_of
from tre.cli.doctor.command import report
from tre.cli.doctor.finding import Place
from tre.cli.doctor.run import examine
from tre.cluster.client import connect
from tre.domain.errors import Reason, TREError
from tre.runtimes.kubernetes.rights import lacks, missing
from tre.system.clock import SystemClock
from tre.system.layout import Layout
from tre.system.settings import Settings, root_from

app = typer.Typer(no_args_is_help=True, help="What the jobs and pods of the chart run.")

GivenOption = Annotated[Path, typer.Option(help="Where the chart's files are mounted.")]
HostOption = Annotated[str | None, typer.Option(help="Address of the chart's own database server.")]
GIVEN = Path("/etc/tre")


@app.command("keys")
@command
def keys(
    namespace: Annotated[str, typer.Option(help="Namespace of the launcher.")],
    base: Annotated[str, typer.Option(help="Domain of the pages; it names the log.")],
    kubeconfig: Annotated[Path | None, typer.Option(help="How to reach the API server, outside a pod.")] = None,
    front: Annotated[bool, typer.Option(help="Make a certificate for the gateway too.")] = True,
) -> None:
    """Make the Secrets that are missing; one that exists is never changed."""
    client = connect(kubeconfig)
    try:
        specs = [spec for spec in SPECS if front or spec is not FRONT]
        made = Secrets(client, namespace).complete(Maker(base, SystemClock().now()), specs)
    finally:
        client.close()
    common.out.print(f"Made: {', '.join(made) or 'nothing, every Secret is there'}.", highlight=False)


@app.command("prepare")
@command
def prepare_launcher(
    root: RootOption = None,
    given: GivenOption = GIVEN,
    database_host: HostOption = None,
    administrator: Annotated[bool, typer.Option(help="Make the roles too, as the server's administrator.")] = False,
) -> None:
    """Bring the record to this program's schema and see to the directories of the volumes."""
    layout = Layout(root_from(root))
    settings = lay_out(layout, Given(given, database_host))
    revision = prepare(layout, settings, as_administrator=administrator)
    common.out.print(f"The record is at revision {revision}; the volumes are arranged.", highlight=False)


@app.command("run")
@command
def run_service(
    service: Annotated[str, typer.Argument(help="gateway, hub, portal, public, controller, storekeeper, checker.")],
    root: RootOption = None,
    given: GivenOption = GIVEN,
    database_host: HostOption = None,
) -> None:
    """Lay out a service's root and become the service."""
    run(service, Layout(root_from(root)), Given(given, database_host))


@app.command("shell")
@command
def shell(root: RootOption = None, given: GivenOption = GIVEN, database_host: HostOption = None) -> None:
    """Be the pod where an operator types commands: `kubectl exec -it tre-shell-0 -- tre …`."""
    wait_for_commands(Layout(root_from(root)), Given(given, database_host))


@app.command("check")
@command
def check(
    base: Annotated[str, typer.Option(help="Domain of the pages.")],
    port: Annotated[int, typer.Option(help="Port of the gateway.")] = 443,
    host: Annotated[str | None, typer.Option(help="Address of the gateway [the Service's].")] = None,
) -> None:
    """Ask for the front page and the desk as a browser would: what `helm test` runs."""
    address = host or os.environ.get("TRE_GATEWAY_SERVICE_HOST") or "tre-gateway"
    for name in (base, f"desk.{base}", f"hub.{base}"):
        status = _status(address, port, name)
        common.out.print(f"{name}: {status}", highlight=False)
        if status >= 400:
            raise TREError(
                Reason.ServiceUnavailable,
                f"{name} answers {status}.",
                remedy="`kubectl get pods` shows which service is not ready, and `kubectl logs` why.",
            )


@app.command("rights")
@command
def rights(
    namespace: Annotated[str, typer.Option(help="Namespace of the launcher.")] = "tre-system",
    kubeconfig: Annotated[Path | None, typer.Option(help="How to reach the API server, outside a pod.")] = None,
) -> None:
    """Ask the cluster whether this account may do everything that the controller must; name what is missing."""
    client = connect(kubeconfig)
    try:
        lacking = missing(client, namespace)
    finally:
        client.close()
    if lacking:
        raise lacks(lacking)
    common.out.print("Every right that the controller needs is there.", highlight=False)


@app.command("doctor")
@command
def doctor(
    namespace: Annotated[str, typer.Option(help="Namespace of the launcher.")] = "tre-system",
    kubeconfig: Annotated[Path | None, typer.Option(help="How to reach the API server, outside a pod.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Look at what is taken for granted of the cluster, as somebody who may read it; changes nothing there.

    Says for each thing: good, weak (or not to be read by this account) or bad, and what to do. Exit 1 where any is bad.
    """
    client = connect(kubeconfig)
    try:
        now = SystemClock().now()
        fields = {"cluster": field_of(View(client, namespace, now))}
        found = examine(Place(Layout(Path("/")), Settings(), now), fields, CLUSTER_SECONDS)
    finally:
        client.close()
    report(found, fields, as_json=as_json)


def _status(address: str, port: int, name: str) -> int:
    """The answer's status. The certificate is not looked at: this asks whether the way is open, not whose it is."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    connection = http.client.HTTPSConnection(address, port, timeout=10, context=context)
    try:
        connection.request("GET", "/", headers={"Host": name if port == 443 else f"{name}:{port}"})
        return connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        raise TREError(Reason.ServiceUnavailable, f"Nobody answers at {address}:{port}.", why=f"{error}.") from error
    finally:
        connection.close()
