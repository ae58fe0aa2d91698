"""What goes with the exporter: a systemd unit, alert rules, a dashboard, a DaemonSet.

They are printed by the command, so that they fit its version: every metric in them is
named by `tcpstates.metrics`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tcpstates import metrics as are

_PORT = 9765
_MEMORY, _PRESSURE = (
    are.KERNEL[name].name for name in ("memory_bytes", "memory_pressure_bytes")
)


def systemd() -> str:
    """Return a unit that gives the exporter a user and the privileges that it needs."""
    return f"""\
# /etc/systemd/system/tcpstates-exporter.service
# Then: systemctl daemon-reload && systemctl enable --now tcpstates-exporter
[Unit]
Description=Socket states for Prometheus
After=network.target

[Service]
ExecStart=/usr/local/bin/tcpstates exporter --listen 127.0.0.1:{_PORT}
Restart=on-failure
DynamicUser=yes
# Counting needs no privilege. With these two, the doctor and --by process see
# the programs of other users; --netns all requires CAP_SYS_ADMIN, too.
AmbientCapabilities=CAP_SYS_PTRACE CAP_DAC_READ_SEARCH
CapabilityBoundingSet=CAP_SYS_PTRACE CAP_DAC_READ_SEARCH
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=read-only
PrivateTmp=yes
PrivateDevices=yes
ProtectKernelModules=yes
ProtectControlGroups=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_NETLINK AF_UNIX
LockPersonality=yes
MemoryDenyWriteExecute=no
MemoryMax=512M

[Install]
WantedBy=multi-user.target
"""


class _Alert:
    """A rule: its name, the expression, how long it holds, and what it means."""

    def __init__(
        self, name: str, expression: str, holds: str, severity: str, text: str
    ) -> None:
        self.name = name
        self.expression = expression
        self.holds = holds
        self.severity = severity
        self.text = text

    def __str__(self) -> str:
        return f"""\
  - alert: {self.name}
    expr: {self.expression}
    for: {self.holds}
    labels:
      severity: {self.severity}
    annotations:
      summary: "{self.text}"
"""


_ALERTS = (
    _Alert(
        "TcpstatesDown",
        f"{are.UP.name} == 0 or absent({are.UP.name})",
        "5m",
        "warning",
        "the sockets of {{ $labels.instance }} cannot be read",
    ),
    _Alert(
        "CloseWaitGrows",
        f'sum by (instance, port) ({are.SOCKETS.name}{{state="CLOSE_WAIT"}}) > 50'
        f' and sum by (instance, port) (delta({are.SOCKETS.name}{{state="CLOSE_WAIT"}}'
        "[10m])) > 0",
        "10m",
        "warning",
        "{{ $value }} sockets of port {{ $labels.port }} on {{ $labels.instance }} are"
        " in CLOSE_WAIT: tcpstates doctor names the program",
    ),
    _Alert(
        "AcceptQueueFull",
        f"{are.ACCEPT_QUEUE.name} >= {are.ACCEPT_LIMIT.name}"
        f" and {are.ACCEPT_LIMIT.name} > 0",
        "1m",
        "critical",
        "port {{ $labels.port }} of {{ $labels.instance }} accepts no more connections",
    ),
    _Alert(
        "EphemeralPortsRunOut",
        f"{are.EPHEMERAL.name} / ignoring (destination) group_left"
        f" {are.EPHEMERAL_LIMIT.name} > 0.8",
        "5m",
        "warning",
        "{{ $labels.instance }} has used most ports to {{ $labels.destination }}",
    ),
    _Alert(
        "DoctorFinds",
        f'{are.FINDINGS.name}{{severity=~"warning|critical"}} > 0',
        "5m",
        "warning",
        "{{ $labels.instance }}: tcpstates explain {{ $labels.rule }}",
    ),
    _Alert(
        "TcpMemoryUnderPressure",
        f"{_MEMORY} > {_PRESSURE}",
        "5m",
        "warning",
        "the TCP memory of {{ $labels.instance }} is nearly used up",
    ),
)


def alerts() -> str:
    """Return rules for Prometheus."""
    rules = "".join(map(str, _ALERTS))
    return f"groups:\n- name: tcpstates\n  rules:\n{rules}"


def _panel(
    number: int, title: str, *queries: tuple[str, str], unit: str = "short"
) -> Any:
    return {
        "id": number,
        "title": title,
        "type": "timeseries",
        "datasource": {"type": "prometheus", "uid": "${datasource}"},
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "gridPos": {"h": 8, "w": 12, "x": 12 * (number % 2), "y": 8 * (number // 2)},
        "targets": [
            {"refId": chr(ord("A") + place), "expr": query, "legendFormat": legend}
            for place, (query, legend) in enumerate(queries)
        ],
    }


def dashboard() -> str:
    """Return a dashboard for Grafana, to be imported."""
    import json

    chosen = 'instance=~"$instance"'
    port = f'{chosen}, port=~"$port"'
    panels = [
        _panel(
            0,
            "Sockets by state",
            (f"sum by (state) ({are.SOCKETS.name}{{{port}}})", "{{state}}"),
        ),
        _panel(
            1,
            "CLOSE_WAIT by port",
            (
                f'sum by (port) ({are.SOCKETS.name}{{{port}, state="CLOSE_WAIT"}})',
                "{{port}}",
            ),
        ),
        _panel(
            2,
            "Accept queues",
            (f"{are.ACCEPT_QUEUE.name}{{{port}}}", "{{port}} waiting"),
            (f"{are.ACCEPT_LIMIT.name}{{{port}}}", "{{port}} limit"),
        ),
        _panel(
            3,
            "Queues",
            (f"{are.RECEIVE_QUEUE.name}{{{port}}}", "{{port}} not read"),
            (f"{are.SEND_QUEUE.name}{{{port}}}", "{{port}} not acknowledged"),
            unit="bytes",
        ),
        _panel(
            4,
            "Oldest socket",
            (f"{are.OLDEST.name}{{{chosen}}}", "{{state}}"),
            unit="s",
        ),
        _panel(
            5,
            "Connections that ended",
            (f"rate({are.CLOSED.name}_total{{{port}}}[$__rate_interval])", "{{port}}"),
            unit="ops",
        ),
        _panel(
            6,
            "Retransmitted segments of ended connections",
            (
                f"rate({are.RETRANSMITS.name}_total{{{port}}}[$__rate_interval])",
                "{{port}}",
            ),
            unit="ops",
        ),
        _panel(
            7,
            "Findings of the doctor",
            (f"{are.FINDINGS.name}{{{chosen}}} > 0", "{{severity}} {{rule}}"),
        ),
    ]
    told = {
        "title": "tcpstates",
        "uid": "tcpstates",
        "schemaVersion": 39,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {
            "list": [
                {"name": "datasource", "type": "datasource", "query": "prometheus"},
                *(
                    {
                        "name": name,
                        "type": "query",
                        "datasource": {"type": "prometheus", "uid": "${datasource}"},
                        "query": f"label_values({are.SOCKETS.name}, {name})",
                        "multi": True,
                        "includeAll": True,
                        "refresh": 2,
                    }
                    for name in ("instance", "port")
                ),
            ]
        },
        "panels": panels,
    }
    return json.dumps(told, indent=2) + "\n"


def kubernetes() -> str:
    """Return a DaemonSet that counts in every pod of each node."""
    return f"""\
# "image" has to name one with tcpstates and the Python package prometheus_client.
apiVersion: apps/v1
kind: DaemonSet
metadata:
  name: tcpstates-exporter
  labels:
    app: tcpstates-exporter
spec:
  selector:
    matchLabels:
      app: tcpstates-exporter
  template:
    metadata:
      labels:
        app: tcpstates-exporter
      annotations:
        prometheus.io/scrape: "true"
        prometheus.io/port: "{_PORT}"
    spec:
      # The namespaces of all pods are entered from the node's own.
      hostNetwork: true
      hostPID: true
      containers:
      - name: exporter
        image: tcpstates-exporter:latest
        args: [exporter, --listen, ":{_PORT}", --netns, all]
        ports:
        - containerPort: {_PORT}
        readinessProbe:
          httpGet:
            path: /
            port: {_PORT}
        resources:
          limits:
            memory: 512Mi
        securityContext:
          readOnlyRootFilesystem: true
          capabilities:
            add: [SYS_ADMIN, SYS_PTRACE, DAC_READ_SEARCH]
        volumeMounts:
        - name: logs
          mountPath: /var/log
          readOnly: true
      volumes:
      - name: logs  # the names of pods and containers
        hostPath:
          path: /var/log
"""


RECIPES: dict[str, Callable[[], str]] = {
    "systemd": systemd,
    "alerts": alerts,
    "dashboard": dashboard,
    "kubernetes": kubernetes,
}
