"""The man page and the program say the same."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import click
import pytest

import tcpstates
from tcpstates.cli.app import tcpstates as command
from tcpstates.cli.exit_codes import ExitCode
from tcpstates.collect.sources import SOURCES
from tcpstates.filters.keys import ALIASES, KEYS, OPERATORS, find_key
from tcpstates.model import Reason
from tcpstates.states import GROUPS, TcpState

PAGE = Path(__file__).parents[1] / "man" / "tcpstates.1"
TEXT = PAGE.read_text().replace(r"\-", "-")


def section(name: str) -> str:
    return TEXT.split(f".SH {name}\n")[1].split("\n.SH ")[0]


def options() -> set[str]:
    context = click.Context(command, help_option_names=["-h", "--help"])
    return {
        name
        for parameter in command.get_params(context)
        if isinstance(parameter, click.Option) and not parameter.hidden
        for name in parameter.opts
    }


def test_every_option_is_in_the_page_and_none_else() -> None:
    described = re.findall(r"(?<![\w-])--?[\w-]+", section("OPTIONS"))
    assert options() <= set(described)
    examples = {"-ltpn", "-ii"}
    assert set(described) - examples <= options() | {"-h", "--help"}


def test_every_column_is_in_the_page() -> None:
    from tcpstates.columns.registry import COLUMNS

    named = section("COLUMNS").split("Columns by name")[1]
    described = re.findall(r"[\w-]+", " ".join(re.findall(r"\.BR (.*)", named)))
    assert set(described) - {"-by", "-sort", "-columns"} >= set(COLUMNS)


def test_the_formats_and_the_check_are_in_the_page() -> None:
    from tcpstates.cli.commands.check import Result
    from tcpstates.cli.commands.check import check as checking
    from tcpstates.cli.options import FORMATS
    from tcpstates.model import KernelCounts

    formats = section("OPTIONS").split("--format")[1].split(".TP")[0]
    assert set(FORMATS) <= set(re.findall(r"\w+", formats))
    checks = section("CHECKS")
    assert all(f"{result.value} {result.name}" in checks for result in Result)
    names = [
        name for option in checking.params for name in option.opts if name[0] == "-"
    ]
    shown = set(re.findall(r"(?<![\w-])--?[\w-]+", checks))
    both = {"--tcp": "-t", "--udp": "-u", "--ipv4": "-4", "--ipv6": "-6"}
    assert {both.get(name, name) for name in names} <= shown
    assert set(KernelCounts._fields) <= set(re.findall(r"\w+", section("FORMATS")))


def test_every_rule_and_threshold_of_the_doctor_is_in_the_page() -> None:
    from dataclasses import fields

    from tcpstates import doctor
    from tcpstates.doctor.findings import RULES, Finding
    from tcpstates.doctor.thresholds import NAMES, Thresholds, unit
    from tcpstates.processes import Process
    from tcpstates.text import format_ms

    text = section("DIAGNOSES")
    folder = Path(doctor.__file__).parent
    code = "".join(path.read_text() for path in folder.rglob("*.py"))
    rules = set(re.findall(r'Finding\(\s+rule="([\w-]+)"', code))
    rules |= {"closing", "closing-full"}  # one maker for both
    assert len(rules) > 15
    assert rules == set(RULES)
    described = re.findall(r"\.TP\n\.BR? (.*)", text.split(".SS Rules")[1])
    assert set(re.findall(r"[\w-]+", " ".join(described))) == rules
    for name, field in NAMES.items():
        value = getattr(Thresholds(), field)
        shown = str(value)
        if unit(field) == "ms":
            shown = format_ms(value).replace("m00s", "m").replace("h00m", "h")
            shown = shown.replace(".0s", "s").replace("1m", "60s")
        assert re.search(rf"\.B {name}\n\({shown}\)", text), (name, shown)
    keys = {field.name for record in (Finding, Process) for field in fields(record)}
    keys -= {"is_provisional", "ages", "moved", "notable_growth", "starts_at_zero"}
    keys = {key for key in keys if not key.endswith(("_when_growing", "_when_staying"))}
    assert keys <= set(re.findall(r"\w+", text))


def test_the_version_and_the_exit_codes_agree() -> None:
    assert f'"tcpstates {tcpstates.__version__}"' in TEXT
    codes = re.findall(r"\.TP\n\.B (\d+)\n", section("EXIT STATUS"))
    assert codes == [str(int(code)) for code in ExitCode]


def test_states_groups_sources_and_reasons_are_described() -> None:
    assert all(str(state) in section("STATES") for state in TcpState)
    assert all(f"\n.B {name}\n" in section("FILTERS") for name in GROUPS)
    assert all(f"\n.B {name}\n" in section("SOURCES") for name in ("auto", *SOURCES))
    reasons = {v for k, v in vars(Reason).items() if k.isupper()}
    described = re.findall(r"\.B \(([\w -]+)", section("PROCESSES"))
    assert set(described) == reasons


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is missing")
def test_the_page_is_well_formed() -> None:
    checked = subprocess.run(
        ["groff", "-man", "-ww", "-z", str(PAGE)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (checked.returncode, checked.stderr) == (0, "")


def test_examples_in_help_and_page_are_understood(tmp_path: Path) -> None:
    from conftest import finish, run_command

    text = run_command("--help").stdout
    examples = re.findall(r"^ +tcpstates (-.*?)(?:  .*)?$", text, re.MULTILINE)
    for place in ("EXAMPLES", "FILTERS"):
        examples += re.findall(r"\.B tcpstates (-.*)", section(place))
    use = (PAGE.parents[1] / "README.md").read_text().split("## Use")[1]
    examples += re.findall(
        r"^tcpstates ((?:-|completion).*?)(?: +#.*)?$", use, re.MULTILINE
    )
    assert len(examples) >= 30
    # Those that write a file are tried with the tools they are for, and those that go
    # on in tests/events; those with other hosts in tests/fleet.
    apart = ("--output", "--from", "-w", "--until", "--host", "--via")
    examples = [e for e in examples if not any(word in e for word in apart)]
    for number, example in enumerate(examples):
        # As a shell takes it: it may leave no file behind, as `> 1h` unquoted would.
        folder = tmp_path / str(number)
        folder.mkdir()
        words = finish(
            ["sh", "-c", f"printf '%s\\n' {example.split(' | ')[0]}"], cwd=folder
        )
        assert list(folder.iterdir()) == []
        finished = run_command(*words.stdout.splitlines(), cwd=folder)
        nothing = "lsof" in example  # which exits with 1 if it finds nothing
        assert finished.returncode in (0, int(nothing)), (example, finished.stderr)


def test_the_language_of_filters_is_described() -> None:
    keys = section("FILTERS").split(".SS Keys")[1].split(".PP\n")[0]
    entries = re.findall(r"\.TP\n\.BR? ([^\n]+)\n(.*?)(?=\.TP|$)", keys, re.DOTALL)
    described: dict[str, str | None] = {}
    for names, text in entries:
        found = re.findall(r"^Operators: (.*)\.$", text, re.MULTILINE)
        for name in re.findall(r"[\w-]+", names):
            described[name] = found[0] if found else None
    assert {find_key(name) for name in described} == set(KEYS)
    assert set(KEYS) <= set(described)
    every = tuple(o for o in dict.fromkeys(OPERATORS.values()) if "~" not in o)
    assert all(alias in keys for alias in ALIASES)
    for name, takes in described.items():
        operators = {o for o in KEYS[find_key(name) or ""].operators if o != "not in"}
        if takes is not None:
            words = every if takes == "all but ~" else takes.split()
            assert operators == set(words), name
    spelled = set(re.findall(r"\S+", section("FILTERS").replace(",", " ")))
    assert set(OPERATORS) <= {word.strip('";') for word in spelled}


def test_states_are_explained() -> None:
    from support.tools.man_states import lines

    expected = "\n".join(lines())
    assert expected in PAGE.read_text(), (
        "tests/support/tools/man_states.py prints it anew"
    )
    from tcpstates.lifecycle.topics import TOPICS
    from tcpstates.states import SYSTEMS

    described = re.findall(r"[\w-]+", section("COMMANDS"))
    assert {*SYSTEMS, *TOPICS} <= set(described)


def test_sequences_are_described() -> None:
    from tcpstates.lifecycle.scenarios import SCENARIOS

    described = section("COMMANDS").split("sequence")[1].split(".TP")[0]
    names = described.partition("every step:")[2].partition("Without a name")[0]
    assert set(re.findall(r"[a-z][\w-]+", names)) == set(SCENARIOS)


def test_commands_are_described() -> None:
    from tcpstates.cli.commands import COMMANDS

    described = re.findall(r'\.TP\n\.BR? "?([\w-]+)', section("COMMANDS"))
    assert set(described) == set(COMMANDS)
