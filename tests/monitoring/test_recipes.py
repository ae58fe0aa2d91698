"""The recipes of MONITORING.md, each run by the program that it is for."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

import pytest

from conftest import COMMAND, PATIENCE, finish

PAGE = Path(__file__).parents[2] / ".github/MONITORING.md"
INSTALLED = "/usr/local/bin/tcpstates"
RESULT = r"TCPSTATES (OK|WARNING|CRITICAL)"

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="for programs on Linux"
)


def recipes(kind: str) -> list[str]:
    """The blocks of a kind, with the command that is tested."""
    found = re.findall(rf"```{kind}\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found, kind
    return [text.replace(INSTALLED, COMMAND[0]) for text in found]


def needs(*names: str) -> pytest.MarkDecorator:
    missing = [
        n for n in names if shutil.which(n, path="/usr/sbin:/usr/bin:/bin") is None
    ]
    return pytest.mark.skipif(bool(missing), reason=f"missing: {', '.join(missing)}")


def test_every_recipe_names_the_full_path() -> None:
    text = PAGE.read_text()
    for kind in ("nagios", "icinga2", "zabbix", "systemd", "cron"):
        for block in re.findall(rf"```{kind}\n(.*?)```", text, re.DOTALL):
            used = re.findall(r'([\w/]*\btcpstates)(?:", "| )(?:check|-)', block)
            assert set(used) == {INSTALLED}, (kind, used)


@needs("nagios4")
def test_nagios_runs_the_check(tmp_path: Path) -> None:
    """Its own daemon schedules the check, and keeps the result."""
    (recipe,) = recipes("nagios")
    folder = tmp_path / "nagios"
    (folder / "spool").mkdir(parents=True)
    (folder / "objects.cfg").write_text(
        recipe.replace("  use                  generic-service\n", _SERVICE)
        + "define host {\n host_name localhost\n address 127.0.0.1\n"
        " max_check_attempts 1\n check_period always\n contacts me\n"
        " notifications_enabled 0\n}\n"
        "define timeperiod {\n timeperiod_name always\n alias always\n"
        + "".join(f" {day} 00:00-24:00\n" for day in _DAYS)
        + "}\ndefine contact {\n contact_name me\n host_notification_period always\n"
        " service_notification_period always\n host_notification_commands none\n"
        " service_notification_commands none\n}\n"
        "define command {\n command_name none\n command_line /bin/true\n}\n"
    )
    status = folder / "status.dat"
    (folder / "nagios.cfg").write_text(
        f"cfg_file={folder}/objects.cfg\nlog_file={folder}/log\n"
        f"object_cache_file={folder}/cache\nstatus_file={status}\n"
        f"command_file={folder}/command\ncheck_result_path={folder}/spool\n"
        f"lock_file={folder}/lock\ntemp_file={folder}/temp\ntemp_path={folder}\n"
        f"state_retention_file={folder}/retention\nquery_socket={folder}/query\n"
        f"resource_file={folder}/resource\nstatus_update_interval=1\n"
        "nagios_user=root\nnagios_group=root\ninterval_length=1\n"
        "check_external_commands=0\nservice_inter_check_delay_method=n\n"
    )
    (folder / "resource").write_text("")
    config = str(folder / "nagios.cfg")
    checked = finish(["/usr/sbin/nagios4", "-v", config])
    assert checked.returncode == 0, checked.stdout
    with subprocess.Popen(
        ["/usr/sbin/nagios4", config], stdout=subprocess.DEVNULL
    ) as running:
        try:
            end = time.monotonic() + PATIENCE
            while not re.search(RESULT, text := _content(status)):
                assert time.monotonic() < end, (folder / "log").read_text()
                time.sleep(0.2)
        finally:
            running.terminate()
    assert re.search(r"plugin_output=TCPSTATES OK: close_wait \d+", text)
    assert re.search(r"performance_data=close_wait=\d+;50;500;0", text)


def _content(path: Path) -> str:
    """The text of a file that its writer replaces; empty: it is not there yet."""
    with suppress(OSError):
        return path.read_text()
    return ""


_DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_SERVICE = (
    " max_check_attempts 1\n check_interval 1\n retry_interval 1\n"
    " check_period always\n notification_period always\n contacts me\n"
    " notifications_enabled 0\n"
)


@needs("icinga2")
def test_icinga_takes_the_recipe_and_runs_its_command(tmp_path: Path) -> None:
    (recipe,) = recipes("icinga2")
    config = tmp_path / "icinga2.conf"
    config.write_text(
        'const NodeName = "here"\ninclude <itl>\n'
        'object Host NodeName { check_command = "dummy" }\n' + recipe
    )
    checked = finish(
        [
            "/usr/sbin/icinga2",
            "daemon",
            "-C",
            "-c",
            str(config),
            "-D",
            f"DataDir={tmp_path}",
            "-D",
            f"LogDir={tmp_path}",
            "-D",
            f"CacheDir={tmp_path}",
            "-D",
            f"SpoolDir={tmp_path}",
            "-D",
            f"InitRunDir={tmp_path}",
            "-D",
            f"RunAsUser={_user()}",
            "-D",
            f"RunAsGroup={_user()}",
        ],
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    # What it runs with these variables.
    values = dict(re.findall(r"vars\.tcpstates_(\w+) = (.*)", recipe))
    words = ["check"]
    for key, flag in (("warning", "-w"), ("critical", "-c")):
        for value in re.findall(r'"([^"]+)"', values[key]):
            words += [flag, value]
    words += re.findall(r'"([^"]+)"', values["filter"])
    assert re.search(RESULT, finish([*COMMAND, *words]).stdout)


def _user() -> str:
    import getpass

    return getpass.getuser()


@needs("zabbix_agentd")
def test_zabbix_reads_both_numbers(tmp_path: Path) -> None:
    (recipe,) = recipes("zabbix")
    config = tmp_path / "agent.conf"
    config.write_text(
        f"PidFile={tmp_path}/pid\nLogFile={tmp_path}/log\nServer=127.0.0.1\n"
        f"AllowRoot=1\nTimeout=10\n{recipe}"
    )
    ask = ["/usr/sbin/zabbix_agentd", "-c", str(config), "-t"]
    with socket.create_server(("127.0.0.1", 0)):
        count = finish([*ask, "tcpstates.count[listen]"]).stdout
        assert int(re.findall(r"\[t\|(\d+)\]", count)[0]) >= 1
    assert re.search(r"\[t\|[012]\]", finish([*ask, "tcpstates.check"]).stdout)


@needs("systemd-analyze")
def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    names = ("tcpstates-check.service", "tcpstates-check.timer")
    for name, kind in zip(names, ("systemd", "timer"), strict=True):
        (tmp_path / name).write_text(recipes(kind)[0])
    checked = finish(
        ["systemd-analyze", "verify", "--man=no", *(str(tmp_path / n) for n in names)]
    )
    ours = [line for line in checked.stderr.splitlines() if "tcpstates" in line]
    assert ours == []
    command = re.findall(r"ExecStart=(.*)", recipes("systemd")[0])[0]
    assert re.search(RESULT, finish(shlex.split(command)).stdout)


def cron_lines() -> list[tuple[str, str]]:
    """The user and the command of each line for /etc/cron.d."""
    lines = [line for block in recipes("cron") for line in block.splitlines()]
    found = [re.fullmatch(r"(?:\S+ ){5}(\S+) (.*)", line) for line in lines]
    return [(match[1], match[2]) for match in found if match]


def test_jobs_run_in_the_environment_of_cron(tmp_path: Path) -> None:
    """PATH=/usr/bin:/bin, no terminal, sh, and a home as folder (crontab(5))."""
    jobs = cron_lines()
    assert len(jobs) == 4
    environment = {"PATH": "/usr/bin:/bin", "SHELL": "/bin/sh", "HOME": str(tmp_path)}
    for _, command in jobs:
        assert "%" not in command, "cron turns it into the end of the line"
        moved = command.replace("/var/lib/tcpstates", str(tmp_path))
        finished = finish(["sh", "-c", moved], env=environment, cwd=tmp_path)
        assert finished.returncode in (0, 1), finished.stderr
        # A sandbox may hide the owner of one socket even from root.
        told = [line for line in finished.stderr.splitlines() if "owner" not in line]
        assert told == []
    assert len(list(tmp_path.glob("*.prom"))) == 3


@needs("prometheus-node-exporter")
def test_several_views_stand_in_one_folder(tmp_path: Path) -> None:
    for _, job in cron_lines():
        finish(["sh", "-c", job.replace("/var/lib/tcpstates", str(tmp_path))])
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [
        "prometheus-node-exporter",
        f"--collector.textfile.directory={tmp_path}",
        "--collector.disable-defaults",
        "--collector.textfile",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as running:
        try:
            text = _scrape(f"http://127.0.0.1:{port}/metrics")
        finally:
            running.terminate()
    assert "node_textfile_scrape_error 0" in text
    assert "tcpstates_sockets{" in text
    assert "tcpstates_sockets_by_process_state{" in text
    assert re.search('tcpstates_sockets{.*filter="state close_wait and dport', text)
    assert text.count("node_textfile_mtime_seconds{") == 3


def _scrape(url: str) -> str:
    end = time.monotonic() + PATIENCE
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                found: bytes = answer.read()
                return found.decode()
        except OSError:
            assert time.monotonic() < end
            time.sleep(0.1)


@needs("promtool")
def test_prometheus_takes_the_job(tmp_path: Path) -> None:
    (tmp_path / "p.yml").write_text(recipes("prometheus")[0])
    checked = finish(["promtool", "check", "config", str(tmp_path / "p.yml")])
    assert checked.returncode == 0, checked.stderr


def test_the_plugin_works_without_privileges() -> None:
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("only root can become another user")
    drop = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    if finish([*drop, *COMMAND, "-V"]).returncode:
        pytest.skip("another user cannot read this installation")
    finished = finish([*drop, *COMMAND, "check", "-c", "close_wait=9999"])
    assert finished.returncode == 0
