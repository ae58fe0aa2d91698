"""Counts and formats of real sockets, read by the tools that they are made for."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import tcpstates
from conftest import COMMAND, TESTS, Lab, enter_lab, finish, run_command
from tcpstates.cli.exit_codes import ExitCode
from tcpstates.columns.registry import COLUMNS

SCHEMA = json.loads((Path(tcpstates.__file__).parent / "schema.json").read_text())
README = (Path(__file__).parents[2] / "README.md").read_text()


def needs(tool: str, package: str = "") -> pytest.MarkDecorator:
    missing = shutil.which(tool) is None
    return pytest.mark.skipif(
        missing, reason=f"{tool} is missing (Debian: {package or tool})"
    )


@pytest.fixture(scope="module")
def crowd() -> Iterator[Lab]:
    yield from enter_lab("crowd", "3")


def cookies(rows: Any) -> list[int]:
    return sorted(int(row["cookie"]) for row in rows)


def test_every_format_has_the_same_sockets(fresh_lab: Lab) -> None:
    lab = fresh_lab
    asked = ("-tuane", "exclude", "time-wait")
    expected = cookies(json.loads(lab.tcpstates("--json", *asked).stdout)["sockets"])
    lines = lab.tcpstates("--jsonl", *asked).stdout.splitlines()
    assert cookies(map(json.loads, lines)) == expected
    rows = csv.DictReader(StringIO(lab.tcpstates("--csv", *asked).stdout, newline=""))
    assert sorted(int(row["cookie"], 16) for row in rows) == expected
    plain = lab.tcpstates("--format", "plain", "-H", *asked).stdout.splitlines()
    assert len(plain) == len(expected)
    table = lab.tcpstates("--format", "table", "-W", "-H", *asked).stdout.splitlines()
    assert len(table) == len(expected)
    assert lab.tcpstates("-c", *asked).stdout == f"{len(expected)}\n"


@pytest.mark.parametrize("key", COLUMNS)
def test_the_groups_of_every_column_add_up(lab: Lab, key: str) -> None:
    asked = ("-tua", "exclude", "time-wait")
    total = int(lab.tcpstates("-c", *asked).stdout)
    answer = json.loads(lab.tcpstates("--json", "--by", f"{key},state", *asked).stdout)
    assert answer["count"] == sum(group["count"] for group in answer["counts"]) == total
    lines = lab.tcpstates("-c", "--by", key, *asked).stdout.splitlines()
    assert sum(int(line.split()[0]) for line in lines) == total
    rows = csv.DictReader(StringIO(lab.tcpstates("--csv", "--by", key, *asked).stdout))
    assert sum(int(row["count"]) for row in rows) == total


@pytest.mark.parametrize(
    "arguments",
    [
        "-tuapeoim",
        "-l",
        "-a --limit 3",
        "-a --sort -local-port",
        "-c",
        "-s",
        "-a --by process,state",
        "-a --by remote-port --limit 2",
        "-n established --by uid,cgroup",
        "-a sport = 1",
    ],
)
@pytest.mark.parametrize("source", ["netlink", "procfs", "psutil"])
def test_json_is_what_its_schema_says(lab: Lab, arguments: str, source: str) -> None:
    finished = lab.tcpstates("--json", "--source", source, *arguments.split())
    assert finished.returncode == 0, finished.stderr
    jsonschema.Draft202012Validator(SCHEMA).validate(json.loads(finished.stdout))


def test_the_lines_of_jsonl_too(lab: Lab) -> None:
    for kind, arguments in (("socket", ("-tuape",)), ("group", ("--by", "state"))):
        schema = {"$ref": f"#/$defs/{kind}", "$defs": SCHEMA["$defs"]}
        validator = jsonschema.Draft202012Validator(schema)
        lines = lab.tcpstates("--jsonl", "-a", *arguments).stdout.splitlines()
        assert lines
        for line in lines:
            validator.validate(json.loads(line))


@pytest.mark.parametrize("key", COLUMNS)
def test_every_column_by_name(lab: Lab, key: str) -> None:
    for option in ("--sort", "--columns", "--by"):
        for value in (f"-{key}", key):
            if value[0] == "-" and (option == "--by" or key in ("uid", "pid")):
                continue
            finished = lab.tcpstates("-tan", option, value, "--limit", "1")
            assert finished.returncode == 0, finished.stderr


def test_a_limit_of_groups_is_told(lab: Lab) -> None:
    for form in ("--json", "--jsonl", "--csv", "-c"):
        finished = lab.tcpstates("-a", form, "--by", "state", "--limit", "1")
        assert "more groups (" in finished.stderr, form
    told = json.loads(
        lab.tcpstates("-a", "--json", "--by", "state", "--limit", "1").stdout
    )
    assert told["limitations"][0]["kind"] == "limited"
    text = lab.tcpstates("-a", "--by", "state", "--limit", "1")
    assert "more groups)" in text.stdout
    assert "more groups" not in text.stderr
    metrics = lab.tcpstates("--openmetrics", "--limit", "1").stdout
    assert 'state="ESTABLISHED"} 0' not in metrics
    assert 'state="(others)"' in metrics


def test_only_states_that_are_asked_for_have_zeros(lab: Lab) -> None:
    def rows(*arguments: str) -> set[str]:
        lines = lab.tcpstates(*arguments).stdout.splitlines()[1:]
        return {line.split()[0] for line in lines if line.split()[-1].isdigit()}

    assert rows("-ls") == {"LISTEN", "CLOSED", "UNCONN", "total"}
    assert rows("-s", "close_wait", "closing") == {"CLOSE_WAIT", "CLOSING", "total"}
    told = json.loads(lab.tcpstates("-s", "closing", "--json").stdout)["counts"]
    assert {row["state"] for row in told} == {"CLOSING"}
    assert "ESTABLISHED" not in lab.tcpstates("-l", "--openmetrics").stdout


def test_sorted_and_limited(crowd: Lab) -> None:
    rows = crowd.sockets("-an", "--sort", "-local-port,state", "--limit", "7")
    ports = [row["local_port"] for row in crowd.sockets("-an")]
    assert [r["local_port"] for r in rows] == sorted(ports, reverse=True)[:7]
    finished = crowd.tcpstates("-an", "--limit", "5")
    assert len(finished.stdout.splitlines()) == 6
    assert f"{len(ports) - 5} more sockets not shown: --limit 5" in finished.stderr
    columns = crowd.tcpstates(
        "-anH", "--columns", "state,local-port", "--sort", "state"
    )
    words = [line.split() for line in columns.stdout.splitlines()]
    assert {len(row) for row in words} == {2}
    assert [row[0] for row in words] == sorted(row[0] for row in words)


def test_a_summary_has_what_the_kernel_counts(fresh_lab: Lab) -> None:
    lab = fresh_lab
    answer = json.loads(lab.tcpstates("-s", "--json").stdout)
    assert answer["without_process"]["not accepted"] >= 1
    assert answer["without_process"]["orphan"] >= 1
    assert answer["without_process"]["half-open"] == 1
    assert answer["kernel"]["time_wait_limit"] > 0
    assert len(answer["counts"]) == 2 * 11 + 2 * 2
    sockstat = lab.run("cat", "/proc/thread-self/net/sockstat").stdout
    assert f"tw {answer['kernel']['time_wait']}" in sockstat
    notes = lab.tcpstates("-s").stdout
    assert "without a process: " in notes
    assert "the kernel counts " in notes


# Files: whole, or not at all.


def test_a_file_is_there_as_a_whole(lab: Lab, tmp_path: Path) -> None:
    target = tmp_path / "sockets.json"
    target.write_text("old")
    target.chmod(0o640)
    link = tmp_path / "link"
    link.symlink_to(target)
    finished = lab.tcpstates("--json", "-a", "--output", str(link))
    assert (finished.returncode, finished.stdout) == (0, "")
    assert json.loads(target.read_text())["schema"] == 1
    assert link.is_symlink()
    assert target.stat().st_mode & 0o777 == 0o640
    assert sorted(os.listdir(tmp_path)) == ["link", "sockets.json"]


@pytest.mark.skipif(os.name != "posix", reason="files and signals as Unix has them")
@pytest.mark.parametrize("name", ["no/such/folder", "folder"])
def test_a_file_that_cannot_be_written(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    finished = run_command("-a", "--output", str(tmp_path / name))
    assert finished.returncode == ExitCode.FAILED
    assert finished.stderr.startswith(f"tcpstates: cannot write '{tmp_path / name}': ")
    assert finished.stderr.count("\n") == 1
    assert os.listdir(tmp_path) == ["folder"]


@pytest.mark.skipif(os.name != "posix", reason="files and signals as Unix has them")
def test_a_full_disk_leaves_no_half_file() -> None:
    finished = run_command("-a", "--json", "--output", "/dev/full")
    assert finished.returncode == ExitCode.FAILED
    assert "cannot write '/dev/full': No space left on device" in finished.stderr


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="root")
def test_a_small_disk_leaves_no_half_file(crowd: Lab, tmp_path: Path) -> None:
    mount = f"mount -t tmpfs -o size=16k none {tmp_path} && echo old > {tmp_path}/kept"
    write = f"{COMMAND[0]} --json -a --output {tmp_path}/kept"
    script = f"{mount} && {write}; echo $?; cat {tmp_path}/*; ls -A {tmp_path}"
    finished = crowd.run("unshare", "-m", "sh", "-c", script)
    assert finished.stdout == "3\nold\nkept\n", finished.stderr
    assert "No space left on device" in finished.stderr
    assert finished.stderr.count("\n") == 1


@pytest.mark.parametrize("name", ["/dev/stdout", "/proc/self/fd/1", "-"])
def test_our_own_descriptors_are_written_to_as_they_are(
    tmp_path: Path, name: str
) -> None:
    finished = run_command("-c", "sport = 1", "--output", name)
    assert (finished.returncode, finished.stdout) == (0, "0\n")
    kept = tmp_path / "kept"
    kept.write_text("old\n")
    with kept.open("a") as appended:
        finish([*COMMAND, "-c", "sport = 1", "--output", name], stdout=appended)
    assert kept.read_text() == "old\n0\n"


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    finished = run_command("-c", "--output", f"{tmp_path}/new/")
    assert finished.returncode == ExitCode.FAILED
    assert "Is a directory" in finished.stderr
    long = tmp_path / ("x" * 250)
    assert run_command("-c", "--output", str(long)).returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == [long.name]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="root")
def test_a_file_keeps_its_owner(tmp_path: Path) -> None:
    target = tmp_path / "owned"
    target.touch(0o640)
    os.chown(target, 65534, 65534)
    assert run_command("-c", "--output", str(target)).returncode == 0
    after = target.stat()
    assert (after.st_uid, after.st_gid, after.st_mode & 0o777) == (65534, 65534, 0o640)


@pytest.mark.skipif(os.name != "posix", reason="files and signals as Unix has them")
@pytest.mark.parametrize(
    "number", [signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM), signal.SIGINT]
)
def test_a_signal_leaves_no_half_file(tmp_path: Path, number: int) -> None:
    # It is sent when the first words are written.
    program = (
        "import os, signal, sys\n"
        f"number = {int(number)}\n"
        "if number != signal.SIGINT:  # nohup has SIGHUP ignored\n"
        "    signal.signal(number, signal.SIG_DFL)\n"
        f"sys.argv = ['tcpstates', '-c', '--output', '{tmp_path}/new']\n"
        "from tcpstates.cli import list_command as show\n"
        "def interrupt(*_):\n"
        f"    os.kill(os.getpid(), {int(number)})\n"
        "    return iter(())\n"
        "show.list_sockets = interrupt\n"
        "from tcpstates.__main__ import main\n"
        "main()\n"
    )
    finished = finish([str(Path(COMMAND[0]).with_name("python")), "-c", program])
    expected = ExitCode.INTERRUPTED if number == signal.SIGINT else -number
    assert finished.returncode == expected
    assert list(tmp_path.iterdir()) == []


def test_an_error_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "kept"
    target.write_text("old")
    finished = run_command("--output", str(target), "--source", "psutil", "recv-q = 1")
    assert finished.returncode == ExitCode.USAGE
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["kept"]


@pytest.mark.parametrize("form", ["--jsonl", "--csv", "--json"])
def test_a_reader_that_has_seen_enough(crowd: Lab, form: str) -> None:
    script = f"{COMMAND[0]} {form} -ta | head -n 1; exec true"
    finished = crowd.run("bash", "-c", f"set -o pipefail; {script}")
    assert len(finished.stdout.splitlines()) == 1
    assert finished.stderr == ""


# Recipes of the README, run as they stand there.


def recipe(start: str) -> str:
    """Return the one line of the README's code that begins so, as it stands."""
    lines = [line.strip() for line in README.splitlines()]
    (found,) = [line for line in lines if line.startswith(start)]
    return found


def run_recipe(lab: Lab, line: str, **variables: str) -> str:
    folder = Path(COMMAND[0]).parent
    path = f"PATH={folder}:{os.environ['PATH']}"
    assigned = [f"{name}={value}" for name, value in variables.items()]
    finished = lab.run("env", path, *assigned, "bash", "-c", line)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def test_recipe_for_awk(lab: Lab) -> None:
    told = run_recipe(lab, recipe("tcpstates -tanc --by state | awk"))
    numbers = dict(line.split("=") for line in told.splitlines())
    assert int(numbers["ESTABLISHED"]) > 0
    expected = int(lab.tcpstates("-tac", "exclude", "time-wait").stdout)
    assert sum(int(n) for k, n in numbers.items() if k != "TIME_WAIT") == expected


@needs("jq")
def test_recipe_for_jq(lab: Lab) -> None:
    told = run_recipe(lab, recipe("tcpstates -tap --json | jq"))
    assert str(lab.parts["main"]) in told.split()


def test_recipe_for_a_spreadsheet(lab: Lab, tmp_path: Path) -> None:
    line = recipe("tcpstates -tap --csv --output").replace("sockets.csv", "$TARGET")
    run_recipe(lab, line, TARGET=str(tmp_path / "sockets.csv"))
    with open(tmp_path / "sockets.csv", newline="") as text:
        rows = list(csv.DictReader(text))
    assert {"ESTABLISHED", "LISTEN", "CLOSE_WAIT"} <= {row["state"] for row in rows}
    assert any("sharing child" in row["process"] for row in rows)


def test_a_job_of_cron_prints_only_what_is_not_ok(lab: Lab) -> None:
    """What MONITORING has for cron; the other recipes are in tests/monitoring."""
    page = (TESTS.parent / ".github/MONITORING.md").read_text()
    (line,) = [
        each for each in page.splitlines() if each.startswith("*/5 * * * * nobody")
    ]
    mailed = line.partition(" nobody ")[2].replace(
        "/usr/local/bin/tcpstates", COMMAND[0]
    )
    assert run_recipe(lab, mailed) == ""
    assert "CRITICAL" in run_recipe(lab, mailed.replace("=500", "=0"))


def test_recipe_for_python(lab: Lab, tmp_path: Path) -> None:
    program = README.split("```python\n")[1].split("```")[0]
    script = tmp_path / "recipe.py"
    script.write_text(program)
    told = run_recipe(lab, f"{Path(COMMAND[0]).with_name('python')} {script}")
    assert "CLOSE_WAIT" in told


@needs("promtool", "prometheus")
def test_promtool_has_nothing_to_say(lab: Lab) -> None:
    for arguments in ("-s", "-a --by process,state"):
        text = lab.tcpstates("--openmetrics", *arguments.split()).stdout
        checked = subprocess.run(
            ["promtool", "check", "metrics"],
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
        assert text.endswith("# EOF\n")


@needs("prometheus")
@needs("promtool", "prometheus")
def test_a_prometheus_server_takes_them(lab: Lab, tmp_path: Path) -> None:
    target = tmp_path / "metrics"
    run_recipe(lab, f"tcpstates --openmetrics --output {target}")
    served = subprocess.Popen(
        ["python3", "-m", "http.server", "--bind", "127.0.0.1", "0"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
        text=True,
    )
    assert served.stdout is not None
    port = served.stdout.readline().split(" port ")[1].split()[0]
    config = tmp_path / "prometheus.yml"
    config.write_text(
        "scrape_configs:\n  - job_name: test\n    scrape_interval: 1s\n"
        f"    static_configs:\n      - targets: ['127.0.0.1:{port}']\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as free:
        listen = f"127.0.0.1:{free.getsockname()[1]}"
    server = subprocess.Popen(
        [
            "prometheus",
            f"--config.file={config}",
            f"--storage.tsdb.path={tmp_path / 'data'}",
            f"--web.listen-address={listen}",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        query = f"http://{listen}/api/v1/query?query=sum(tcpstates_sockets)"
        expected = sum(
            float(line.rpartition(" ")[2])
            for line in target.read_text().splitlines()
            if line.startswith("tcpstates_sockets{")
        )
        deadline = time.monotonic() + 60
        found: list[Any] = []
        while not found:
            assert time.monotonic() < deadline
            assert server.poll() is None
            try:
                with urllib.request.urlopen(query, timeout=5) as answer:
                    found = json.load(answer)["data"]["result"]
            except OSError:
                pass  # it is not up yet
            time.sleep(0.2)
        assert float(found[0]["value"][1]) == expected > 0
    finally:
        for process in (server, served):
            process.terminate()
            process.wait(30)
        served.stdout.close()


def test_csv_opens_as_it_is_written() -> None:
    finished = finish([*COMMAND, "--csv", "-l"], env=os.environ | {"LC_ALL": "C"})
    assert finished.stdout.startswith("protocol,family,state,raw_state,local_address,")
