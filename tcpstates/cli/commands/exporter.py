"""`tcpstates exporter`: metrics for Prometheus, over HTTP."""

from __future__ import annotations

import re
from typing import Any

import click

from tcpstates.cli.chosen import chosen_families, chosen_protocols
from tcpstates.cli.options import live_selection_options
from tcpstates.cli.output import Output, warn
from tcpstates.cli.source_options import live_origin
from tcpstates.cli.types import COLUMN_LIST, FILTER_ARGUMENT, PATH, Seconds
from tcpstates.columns.registry import find_columns
from tcpstates.errors import TcpstatesError
from tcpstates.model import Request
from tcpstates.pipeline import select
from tcpstates.states import ALL_STATES
from tcpstates.wording import missing_package

_ADDRESS = re.compile(
    r"(?:\[(?P<ipv6>[0-9a-fA-F:.]+)\]|(?P<host>[^:\[\]]*)):(?P<port>\d{1,5})"
)
_LAST_PORT = 65535


class Address(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """An address and a port to listen on; without an address, all of IPv4."""

    name = "address"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        """Return host and port, or fail with an example."""
        found = _ADDRESS.fullmatch(str(value))
        if found is None or int(found["port"]) > _LAST_PORT:
            self.fail(
                f"'{value}': expected HOST:PORT, such as 127.0.0.1:9765", param, ctx
            )
        return found["ipv6"] or found["host"] or "0.0.0.0", int(found["port"])  # noqa: S104


class Ports(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A list of ports."""

    name = "ports"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """Return the ports, or fail."""
        if isinstance(value, tuple):
            return value
        words = str(value).split(",")
        if not all(w.isdecimal() and int(w) <= _LAST_PORT for w in words):
            self.fail(f"'{value}': expected ports, such as 443,5432", param, ctx)
        return tuple(map(int, words))


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("expression", nargs=-1, type=FILTER_ARGUMENT, metavar="[FILTER]...")
@click.option(
    "--listen",
    type=Address(),
    default="127.0.0.1:9765",
    metavar="HOST:PORT",
    help="Listen here; default: 127.0.0.1:9765.",
)
@live_selection_options
@click.option(
    "--ports",
    type=Ports(),
    default=(),
    metavar="PORT,...",
    help="Count these ports separately, too, besides those that listen.",
)
@click.option(
    "--by",
    type=COLUMN_LIST,
    metavar="COL,...",
    help="Count by columns, too: --by process,state.",
)
@click.option(
    "--doctor",
    "doctor_every",
    type=Seconds(0, 86_400),
    default=60,
    metavar="SECONDS",
    help="Let the doctor examine this often; 0: never; default: 60.",
)
@click.option(
    "--deadline",
    type=Seconds(0.1, 300),
    default=5,
    metavar="SECONDS",
    help="Answer with 503 if a scan takes longer; default: 5.",
)
@click.option("--tls-certificate", type=PATH, metavar="FILE", help="Serve with TLS.")
@click.option("--tls-key", type=PATH, metavar="FILE", help="Its key.")
@click.option(
    "--print",
    "recipe",
    type=click.Choice(["systemd", "alerts", "dashboard", "kubernetes"]),
    help="Print what goes with it, and end.",
)
@click.pass_obj
def exporter(output: Output, /, expression: tuple[str, ...], **values: Any) -> None:
    """Serve metrics for Prometheus, at /metrics.

    Sockets are counted by state and by listening port, zeros included. There are also
    queues, ages, connections that have ended, and the findings of the doctor. One scan
    serves all who ask at once. This requires the package prometheus_client.

    \b
      tcpstates exporter
      tcpstates exporter --listen :9765 --ports 5432 --by process,state
      tcpstates exporter --print systemd
    """  # noqa: D301  (click looks for the character)
    if values["recipe"] is not None:
        from tcpstates.exporter.recipes import RECIPES

        output.write([RECIPES[values["recipe"]]()], encoding="utf-8")
        return
    try:
        from tcpstates.exporter.collector import TcpstatesCollector
        from tcpstates.exporter.scan import Wanted
        from tcpstates.exporter.server import serve
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("prometheus_client"):
            raise
        raise TcpstatesError(missing_package("prometheus_client")) from error
    columns = find_columns(values["by"]) if values["by"] else ()
    request = Request(
        protocols=frozenset(chosen_protocols(values, ["tcp"])),
        families=frozenset(chosen_families(values)),
        states=ALL_STATES,
    ).for_columns({column.needs for column in columns})
    origin = live_origin(values["netns"])
    select(
        expression, origin, request
    )  # a wrong filter is an error before anything listens
    wanted = Wanted(
        request,
        expression,
        values["ports"],
        columns,
        doctor_every=values["doctor_every"],
        has_places=bool(values["netns"]),
    )
    if (values["tls_certificate"] is None) != (values["tls_key"] is None):
        raise click.UsageError("--tls-certificate and --tls-key belong together")
    collector = TcpstatesCollector(origin, wanted)
    try:
        server = serve(
            values["listen"],
            collector,
            deadline=values["deadline"],
            certificate=values["tls_certificate"],
            key=values["tls_key"],
        )
    except OSError as error:
        host, port = values["listen"]
        text = f"cannot listen on {host}:{port}: {error.strerror or error}"
        raise TcpstatesError(text) from error
    host, port = str(server.server_address[0]), server.server_address[1]
    shown = f"[{host}]" if ":" in host else host
    scheme = "https" if values["tls_certificate"] else "http"
    warn(f"metrics are at {scheme}://{shown}:{port}/metrics; Ctrl-C ends this")
    try:
        server.serve_forever()
    finally:
        server.server_close()
        collector.close()
