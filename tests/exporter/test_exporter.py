"""The exporter: what it counts, who may ask, and what Prometheus makes of it."""

from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

import tcpstates
from conftest import COMMAND, PATIENCE, Lab, enter_lab, finish, run_command
from tcpstates import metrics
from tcpstates.exporter import collector as collecting
from tcpstates.exporter import recipes, scan
from tcpstates.exporter.collector import TcpstatesCollector
from tcpstates.exporter.scan import Wanted
from tcpstates.exporter.server import serve
from tcpstates.model import Request
from tcpstates.origin import LiveHost
from tcpstates.states import ALL_STATES

REQUEST = Request(states=ALL_STATES)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


class Served:
    """A server in a thread of this process."""

    def __init__(self, collector: TcpstatesCollector, deadline: float = 5) -> None:
        self._server = serve(("127.0.0.1", 0), collector, deadline=deadline)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self._collector = collector

    def get(self, path: str = "/metrics", **more: Any) -> str:
        """Return the body of an answer; raise HTTPError."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", **more)
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            text: str = answer.read().decode()
            return text

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()
        self._collector.close()


@pytest.fixture
def served() -> Iterator[Served]:
    made = Served(TcpstatesCollector(LiveHost(), Wanted(REQUEST, doctor_every=0)))
    yield made
    made.close()


def values(text: str) -> dict[tuple[str, ...], float]:
    """Return samples by name and by the values of their labels, in their order."""
    return {
        (sample.name, *(sample.labels[key] for key in sorted(sample.labels))): (
            sample.value
        )
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.mark.skipif(os.name != "posix", reason="about Linux")
def test_sockets_by_port_with_zeros(served: Served, listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    client = socket.create_connection(listener.getsockname())
    server, _ = listener.accept()
    waiting = socket.create_connection(listener.getsockname())
    client.send(b"12345")
    client.shutdown(socket.SHUT_WR)
    end = time.monotonic() + PATIENCE
    while not tcpstates.count_by("state", filter=f"fin-wait-2 dport = :{port}"):
        assert time.monotonic() < end  # its FIN is not acknowledged
    found = values(served.get())
    name = "tcpstates_sockets"  # labels: family, port, state
    assert found[name, "ipv4", str(port), "LISTEN"] == 1
    assert found[name, "ipv4", str(port), "CLOSE_WAIT"] == 1
    assert found[name, "ipv4", str(port), "FIN_WAIT_2"] == 1
    assert found[name, "ipv4", str(port), "ESTABLISHED"] == 2
    assert found[name, "ipv6", str(port), "CLOSE_WAIT"] == 0
    assert found["tcpstates_receive_queue_bytes", str(port)] == 6  # with the FIN
    assert found["tcpstates_accept_queue_connections", str(port)] == 1
    assert found["tcpstates_accept_queue_limit_connections", str(port)] > 1
    assert found["tcpstates_oldest_seconds", "CLOSE_WAIT"] >= 0
    assert found[("tcpstates_up",)] == 1
    assert found[("tcpstates_series_dropped",)] == 0
    for made in (client, server, waiting):
        made.close()


@pytest.mark.skipif(os.name != "posix", reason="about Linux")
def test_ended_connections_are_added_up(
    served: Served, listener: socket.socket
) -> None:
    port = str(listener.getsockname()[1])
    before = values(served.get())
    assert before["tcpstates_closed_connections_total", port] == 0
    for _ in range(20):
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
        client.send(b"x" * 100)
        server.recv(100)
        client.close()
        server.recv(1)
        server.close()
    end = time.monotonic() + PATIENCE
    found = before
    while time.monotonic() < end:
        found = values(served.get())
        if found["tcpstates_closed_connections_total", port] >= 40:
            break
        time.sleep(0.2)
    assert found["tcpstates_closed_connections_total", port] == 40
    assert found["tcpstates_closed_sent_bytes_total", port] >= 20 * 100
    assert found["tcpstates_closed_received_bytes_total", port] >= 20 * 100


def test_twenty_scrapes_at_once_are_one_scan(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    scans: list[float] = []
    whole = scan.count

    def count(*arguments: Any) -> Any:
        scans.append(time.monotonic())
        time.sleep(0.3)
        return whole(*arguments)

    monkeypatch.setattr(collecting, "count", count)
    texts: list[str] = []
    asking = [
        threading.Thread(target=lambda: texts.append(served.get())) for _ in range(20)
    ]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    assert len(scans) == 1
    assert len(texts) == 20
    assert all("tcpstates_sockets{" in text for text in texts)


def status(served: Served, path: str = "/metrics", **more: Any) -> int:
    with pytest.raises(urllib.error.HTTPError) as raised:
        served.get(path, **more)
    raised.value.close()
    return raised.value.code


def test_what_is_refused(served: Served) -> None:
    assert status(served, data=b"x") == 405
    assert status(served, "/nonexistent") == 404
    assert "/metrics" in served.get("/")
    assert "tcpstates_up" in served.get(headers={"X-Long": "x" * 8192})


def test_a_slow_client_does_not_keep_others_waiting(served: Served) -> None:
    with socket.create_connection(("127.0.0.1", served.port)) as slow:
        slow.send(b"GET /metrics HTTP/1.1\r\n")
        assert "tcpstates_up 1" in served.get()
        with socket.create_connection(("127.0.0.1", served.port)) as gone:
            gone.send(b"GET /metrics HTTP/1.1\r\n\r\n")
        assert "tcpstates_up 1" in served.get()


def test_a_slow_handshake_does_not_keep_others_waiting(tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("missing: openssl")
    key, certificate = str(tmp_path / "key"), str(tmp_path / "certificate")
    made = [
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "1",
        "-subj",
        "/CN=localhost",
    ]
    finish(["openssl", *made, "-keyout", key, "-out", certificate])
    collector = TcpstatesCollector(LiveHost(), Wanted(REQUEST, doctor_every=0))
    server = serve(
        ("127.0.0.1", 0), collector, deadline=5, certificate=certificate, key=key
    )
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    port = server.server_address[1]
    trusting = ssl.create_default_context(cafile=certificate)
    trusting.check_hostname = False
    try:
        with socket.create_connection(("127.0.0.1", port)):  # says nothing
            url = f"https://127.0.0.1:{port}/metrics"
            with urllib.request.urlopen(url, timeout=5, context=trusting) as answer:
                assert b"tcpstates_up 1" in answer.read()
    finally:
        server.shutdown()
        server.server_close()
        collector.close()


def test_a_scan_that_takes_too_long_is_503(monkeypatch: pytest.MonkeyPatch) -> None:
    finish = threading.Event()
    monkeypatch.setattr(collecting, "count", lambda *_: finish.wait(PATIENCE))
    made = Served(
        TcpstatesCollector(LiveHost(), Wanted(REQUEST, doctor_every=0)), deadline=0.2
    )
    assert status(made) == 503
    finish.set()
    made.close()


def test_a_scan_that_fails_is_503(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("anything")

    monkeypatch.setattr(collecting, "count", fail)
    made = Served(TcpstatesCollector(LiveHost(), Wanted(REQUEST, doctor_every=0)))
    assert status(made) == 503
    made.close()


@pytest.mark.skipif(os.name != "posix", reason="about Linux")
def test_many_scrapes_cost_no_memory_and_no_descriptors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A day's worth, in fast motion: the clock jumps at each."""
    ticks = iter(range(10**9))
    collector = TcpstatesCollector(
        LiveHost(), Wanted(REQUEST, doctor_every=0), clock=lambda: 2.0 * next(ticks)
    )

    def used() -> tuple[int, int]:
        pages = Path("/proc/self/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE"), len(os.listdir("/proc/self/fd"))

    if not Path("/proc/self/statm").exists():
        pytest.skip("/proc shows memory and descriptors")
    for _ in range(300):
        collector.refresh()
    before = used()
    for _ in range(86_400 // 15):
        collector.refresh()
    after = used()
    collector.close()
    assert after[1] == before[1]
    assert after[0] - before[0] < 5 << 20


@pytest.fixture
def leaky() -> Iterator[Lab]:
    yield from enter_lab("trouble", "leak")


def test_the_doctor_and_processes_as_metrics(leaky: Lab) -> None:
    command = ("exporter", "--listen", "127.0.0.1:9765", "--by", "process,state")
    server = subprocess.Popen(
        [*leaky.enter, *COMMAND, *command], stderr=subprocess.PIPE
    )
    try:
        assert server.stderr is not None
        assert b"metrics are at http://127.0.0.1:9765" in server.stderr.readline()
        fetch = "import urllib.request as u; print(u.urlopen('{}').read().decode())"
        url = "http://127.0.0.1:9765/metrics"
        text = leaky.run(
            COMMAND[0].replace("tcpstates", "python"), "-c", fetch.format(url)
        )
        found = values(text.stdout)
    finally:
        server.terminate()
        server.communicate()
    assert found["tcpstates_findings", "short-lived", "warning"] == 0
    assert found["tcpstates_findings", "close-wait", "critical"] == 0
    processes = {key[1] for key in found if key[0] == "tcpstates_sockets_by"}
    assert any(name.startswith("python") for name in processes)


def test_hostile_names_forge_nothing() -> None:
    wanted = Wanted(REQUEST, doctor_every=0)
    collector = TcpstatesCollector(LiveHost(), wanted)
    family = collecting._family(
        metrics.GROUPS._replace(labels=("process",)),
        [(('a"} 1\ntcpstates_up 0\n#\x1b[31m\udcff\\',), 1.0)],
    )
    registry = CollectorRegistry()

    class One:
        def collect(self) -> list[Any]:
            return [family]

        def describe(self) -> list[Any]:
            return []

    registry.register(One())
    from prometheus_client import generate_latest

    text = generate_latest(registry).decode()
    collector.close()
    assert text.count("\n") == 3
    assert "\ntcpstates_up" not in text


def test_files_for_tls_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    certificate, missing = tmp_path / "certificate", tmp_path / "missing"
    certificate.write_text("nonsense")
    for key, why in ((missing, f"cannot read '{missing}': "), (certificate, "in PEM")):
        files = ("--tls-certificate", str(certificate), "--tls-key", str(key))
        finished = run_command("exporter", "--listen", "127.0.0.1:0", *files)
        assert finished.returncode == 3
        assert why in finished.stderr
        assert finished.stderr.count("\n") == 1


def test_usage() -> None:
    for words, said in (
        (["--listen", "x"], "expected HOST:PORT"),
        (["--listen", "127.0.0.1:99999"], "expected HOST:PORT"),
        (["--ports", "a"], "expected ports"),
        (["--tls-key", "x"], "belong together"),
        (["close_wat"], "unknown state or key"),
        (["--by", "nonsense"], "unknown column"),
    ):
        finished = run_command("exporter", *words)
        assert finished.returncode == 2, words
        assert said in finished.stderr
        assert finished.stderr.startswith("tcpstates: ")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        finished = run_command("exporter", "--listen", f"127.0.0.1:{port}")
        assert finished.returncode == 3
        why = "" if os.name == "nt" else " Address already in use"
        assert f"cannot listen on 127.0.0.1:{port}:{why}" in finished.stderr


@pytest.mark.skipif(os.name != "posix", reason="about Linux")
def test_without_the_package_it_says_what_to_install() -> None:
    script = (
        "import sys; sys.modules['prometheus_client'] = None;"
        " from tcpstates.cli.app import run; sys.exit(run(['exporter']))"
    )
    finished = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert finished.returncode == 3
    assert finished.stderr == (
        "tcpstates: prometheus_client is missing; use: python3 -m pip --python"
        f" {sys.executable} install prometheus_client\n"
    )


def promtool(
    *arguments: str, text: str | None = None
) -> subprocess.CompletedProcess[str]:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is missing (Debian: prometheus)")
    return subprocess.run(
        ["promtool", *arguments],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )


def test_prometheus_finds_nothing_to_object_to(served: Served) -> None:
    finished = promtool("check", "metrics", text=served.get())
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, "", "")


RULE_TESTS = """
rule_files: [alerts.yml]
tests:
- interval: 1m
  input_series:
  - series: 'tcpstates_sockets{instance="a", state="CLOSE_WAIT", port="80", family="ipv4"}'
    values: '10+10x60 10x60'
  - series: 'tcpstates_up{instance="a"}'
    values: '1x200'
  - series: 'tcpstates_accept_queue_connections{instance="a", port="80"}'
    values: '0x30 128x5 0x60'
  - series: 'tcpstates_accept_queue_limit_connections{instance="a", port="80"}'
    values: '128x200'
  alert_rule_test:
  - eval_time: 10m
    alertname: CloseWaitGrows
    exp_alerts: []
  - eval_time: 40m
    alertname: CloseWaitGrows
    exp_alerts:
    - exp_labels: {severity: warning, instance: a, port: "80"}
      exp_annotations:
        summary: "410 sockets of port 80 on a are in CLOSE_WAIT: tcpstates doctor names the program"
  - eval_time: 100m
    alertname: CloseWaitGrows
    exp_alerts: []
  - eval_time: 33m
    alertname: AcceptQueueFull
    exp_alerts:
    - exp_labels: {severity: critical, instance: a, port: "80"}
      exp_annotations:
        summary: "port 80 of a accepts no more connections"
  - eval_time: 50m
    alertname: AcceptQueueFull
    exp_alerts: []
  - eval_time: 40m
    alertname: TcpstatesDown
    exp_alerts: []
"""


def test_the_alerts_fire_and_clear(tmp_path: Path) -> None:
    (tmp_path / "alerts.yml").write_text(recipes.alerts())
    (tmp_path / "tests.yml").write_text(RULE_TESTS)
    checked = promtool("check", "rules", str(tmp_path / "alerts.yml"))
    assert checked.returncode == 0, checked.stderr
    tested = promtool("test", "rules", str(tmp_path / "tests.yml"))
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_recipes_name_only_metrics_that_are_there() -> None:
    known = {
        metric.name
        for metric in (*vars(metrics).values(), *metrics.KERNEL.values())
        if isinstance(metric, metrics.Metric)
    }
    import re

    for name, make in recipes.RECIPES.items():
        text = run_command("exporter", "--print", name).stdout
        assert text == make()
        named = set(re.findall(r"tcpstates_[a-z_]+", text))
        assert {each.removesuffix("_total") for each in named} <= known, name
    board = json.loads(recipes.dashboard())
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


PROMETHEUS = """
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [{folder}/rules.yml]
scrape_configs:
- job_name: tcpstates
  static_configs:
  - targets: ["127.0.0.1:{port}"]
"""
RULES = """
groups:
- name: one
  rules:
  - alert: CloseWait
    expr: sum by (port) (tcpstates_sockets{{state="CLOSE_WAIT", port="{port}"}}) > 0
    for: 1s
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as made:
        port: int = made.getsockname()[1]
        return port


def test_prometheus_scrapes_it_and_an_alert_fires_and_clears(
    served: Served, listener: socket.socket, tmp_path: Path
) -> None:
    if shutil.which("prometheus") is None:
        pytest.skip("prometheus is missing (Debian: prometheus)")
    watched = listener.getsockname()[1]
    (tmp_path / "rules.yml").write_text(RULES.format(port=watched))
    config = tmp_path / "prometheus.yml"
    config.write_text(PROMETHEUS.format(folder=tmp_path, port=served.port))
    port = free_port()
    prometheus = subprocess.Popen(
        [
            "prometheus", f"--config.file={config}", f"--web.listen-address=127.0.0.1:{port}",
            f"--storage.tsdb.path={tmp_path}/data",
        ],
        stderr=subprocess.DEVNULL,
    )  # fmt: skip

    def ask(query: str) -> list[Any]:
        url = f"http://127.0.0.1:{port}/api/v1/query?"
        try:
            with urllib.request.urlopen(
                url + urllib.parse.urlencode({"query": query}), timeout=PATIENCE
            ) as answer:
                result: list[Any] = json.load(answer)["data"]["result"]
                return result
        except (OSError, KeyError):  # it is still starting
            return []

    def wait(query: str, *, present: bool) -> None:
        end = time.monotonic() + PATIENCE
        while bool(ask(query)) != present:
            assert time.monotonic() < end, query
            time.sleep(0.2)

    firing = 'ALERTS{alertname="CloseWait", alertstate="firing"}'
    try:
        wait('up{job="tcpstates"} == 1', present=True)
        wait(
            f'tcpstates_sockets{{port="{watched}", state="LISTEN"}} == 1', present=True
        )
        assert not ask(firing)
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
        client.close()
        wait(firing, present=True)
        server.close()
        wait(firing, present=False)
    finally:
        prometheus.terminate()
        prometheus.wait()
