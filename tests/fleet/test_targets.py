"""The hosts that --host and --via name, and the commands that reach them."""

from __future__ import annotations

import shlex
import shutil
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tcpstates.errors import ArgumentError
from tcpstates.fleet.targets import Target, find_targets


def one(name: str, **settings: object) -> Target:
    (target,) = find_targets([name], [], **settings)  # type: ignore[arg-type]
    return target


@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("web1", ["--", "web1"]),
        ("root@web1", ["--", "root@web1"]),
        ("web1.example.com:2222", ["-p", "2222", "--", "web1.example.com"]),
        ("me@10.0.0.1:22", ["-p", "22", "--", "me@10.0.0.1"]),
        ("2001:db8::1", ["--", "2001:db8::1"]),
        ("[2001:db8::1]:2222", ["-p", "2222", "--", "2001:db8::1"]),
        ("fe80::1%eth0", ["--", "fe80::1%eth0"]),
        ("ssh://me@web1:2222/", ["-p", "2222", "--", "me@web1"]),
        ("web_1", ["--", "web_1"]),
        ("w", ["--", "w"]),
        ("DOMAIN\\me@web1", ["--", "DOMAIN\\me@web1"]),
    ],
)
def test_a_name_becomes_arguments_of_ssh(name: str, end: list[str]) -> None:
    target = one(name)
    assert list(target.command[-len(end) :]) == end
    assert target.command[0] == "ssh"
    assert target.name == name.removeprefix("ssh://").rstrip("/")
    assert "BatchMode=yes" in target.command


@pytest.mark.parametrize(
    "name",
    [
        *("-oProxyCommand=id", "me@-oProxyCommand=id", "a b", "a;id", "$(id)", "`id`"),
        *("a|b", "a\nb", "a'b", 'a"b', "a\x1b[31m", "../etc", "web1:", "web1:99999"),
        *("web1:0", "@", "me@", "a@b@c", "é", "web1/x", "-", "w" * 400, "me;id@web1"),
        *("[web1]", "web1:22:33x", "--", "web-", ".web"),
    ],
)
def test_what_is_no_name_never_reaches_ssh(name: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        one(name)
    text = str(caught.value)
    assert "\x1b" not in text
    assert "\n" not in text
    assert len(text) < 500


def test_a_long_name_is_refused_at_once() -> None:
    start = time.monotonic()
    for name in (":" * 3000 + "!", "a" * 10**6, "1:" * 5000):
        with pytest.raises(ArgumentError) as caught:
            one(name)
        assert len(str(caught.value)) < 300
    assert time.monotonic() - start < 5


def test_a_host_in_two_spellings_is_asked_once() -> None:
    found = find_targets(["web1,ssh://web1,WEB1,web1:22,root@web1"], [])
    assert [target.name for target in found] == ["web1", "web1:22", "root@web1"]


def test_lists_and_files_of_names(tmp_path: Path) -> None:
    file = tmp_path / "hosts"
    file.write_text("# all of them\nweb1 # the first\n\nroot@web2:2222, web3\nweb1\n")
    found = find_targets([f"@{file}", "web4,web5,", "web4"], [])
    assert [t.name for t in found] == ["web1", "root@web2:2222", "web3", "web4", "web5"]
    file.write_text("# nobody\n")
    with pytest.raises(ArgumentError, match="no host named"):
        find_targets([f"@{file}"], [])
    with pytest.raises(ArgumentError, match="cannot be read: No such file"):
        find_targets(["@/nowhere"], [])
    file.write_bytes(b"\xef\xbb\xbfweb1\r\nweb2\r\n")
    assert [t.name for t in find_targets([f"@{file}"], [])] == ["web1", "web2"]
    file.write_text("web1\n-oProxyCommand=id\n")
    with pytest.raises(ArgumentError, match=r"no host name.*hosts, line 2"):
        find_targets([f"@{file}"], [])


@pytest.mark.parametrize(
    ("prefix", "name", "command"),
    [
        ("docker exec web", "web", "docker exec -i web"),
        ("docker exec -i web", "web", "docker exec -i web"),
        ("sudo docker exec web", "web", "sudo docker exec -i web"),
        ("docker exec ssh", "ssh", "docker exec -i ssh"),
        ("kubectl exec web-0 -c app --", "web-0", "kubectl exec -i web-0 -c app --"),
        ("docker exec -it web", "web", "docker exec -it web"),
        ("docker exec -u root web", "web", "docker exec -i -u root web"),
        ("kubectl exec web-0 --", "web-0", "kubectl exec -i web-0 --"),
        (
            "kubectl -n shop exec web-0 -c app --",
            "web-0",
            "kubectl -n shop exec -i web-0 -c app --",
        ),
        ("nsenter -t 1 -n", "1", "nsenter -t 1 -n"),
        ("lxc exec c1 --", "c1", "lxc exec c1 --"),
    ],
)
def test_a_prefix_passes_standard_input_on(
    prefix: str, name: str, command: str
) -> None:
    (target,) = find_targets([], [prefix])
    assert (target.name, shlex.join(target.command)) == (name, command)
    assert target.arguments(["sh", "-c", "a b"]) == [
        *target.command,
        *("sh", "-c", "a b"),
    ]


def test_a_prefix_that_is_ssh_gets_one_text() -> None:
    (target,) = find_targets([], ["ssh -J gate web1"])
    assert target.arguments(["sh", "-c", "a b"])[-1] == "sh -c 'a b'"


@pytest.mark.parametrize("prefix", ["", "docker 'exec", "a \x1b[31m"])
def test_a_prefix_names_a_place(prefix: str) -> None:
    with pytest.raises(ArgumentError, match="--via"):
        find_targets([], [prefix])


def test_two_places_of_one_name_have_different_ones() -> None:
    prefixes = [
        "kubectl --context=a exec web-0 --",
        "kubectl --context=b exec web-0 --",
    ]
    names = [target.name for target in find_targets([], prefixes)]
    assert len(set(names)) == 2


def test_sudo_precedes_what_runs_there() -> None:
    target = one("web1", sudo=True)
    assert target.arguments(["sh", "-c", "x"])[-1] == "sudo -n sh -c x"


@pytest.mark.skipif(shutil.which("ssh") is None, reason="missing: ssh")
@pytest.mark.skipif(sys.platform == "win32", reason="no ControlMaster on Windows")
def test_connections_are_shared_only_where_nobody_else_can_use_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    with TemporaryDirectory(dir="/tmp") as home:  # short: it is a socket's path
        folder = Path(home, ".ssh")
        folder.mkdir(mode=0o700)
        monkeypatch.setenv("HOME", home)

        def is_shared(**settings: str) -> list[str]:
            # Not the user's own configuration, which may share connections.
            words = one("web1", **{"ssh": "ssh -F none", **settings}).connecting()
            return [
                w for w in words if w.startswith(f"ControlPath={folder}/tcpstates/")
            ]

        (usual,) = is_shared()
        # Another command may lead elsewhere under the same name.
        (other,) = is_shared(ssh="ssh -F none -o ProxyJump=gate")
        assert usual != other
        # Who shares connections in a way of his own keeps it.
        config = Path(home, "config")
        config.write_text("Host *\n ControlPath ~/mine-%C\n")
        assert is_shared(ssh=f"ssh -F {config}") == []
        # It may do so for some hosts only, in whatever order they are named.
        config.write_text("Host web2\n ControlPath ~/mine-%C\n")
        targets = find_targets(["web1,web2,web3"], [], ssh=f"ssh -F {config}")
        shared = ["ControlPersist=60" in target.connecting() for target in targets]
        assert shared == [True, False, True]
        (folder / "tcpstates").chmod(0o770)
        assert is_shared() == []
        (folder / "tcpstates").chmod(0o700)
        folder.chmod(0o777)
        assert is_shared() == []
    with TemporaryDirectory(dir="/tmp", prefix="a b$") as strange:
        Path(strange, ".ssh").mkdir(mode=0o700)
        monkeypatch.setenv("HOME", strange)
        words = one("web1", ssh="ssh -F none").connecting()
        assert not any("Control" in word for word in words)


@pytest.mark.parametrize(
    ("prefix", "name", "shells"),
    [
        ("./to-web1", "to-web1", 0),
        ("sudo", "sudo", 0),
        ("/opt/bin/oldssh web1", "web1", 1),
        ("sudo autossh web1", "web1", 1),
        ("sudo -u me ssh web1", "web1", 1),
        ("timeout 5 ssh web1", "web1", 1),
        ("sudo docker exec ssh", "ssh", 0),
        ("tailscale ssh web1", "web1", 1),
        ("ssh web1 docker exec -i shop", "shop", 1),
        ("ssh web1 sh -c", "sh", 2),
        ("ssh web1 su - postgres -c", "postgres", 2),
        ("docker exec sh -i web", "sh", 0),
        ("docker exec web sh -c", "web", 1),
        ("docker --context ssh exec web", "web", 0),
        ("kubectl -n ssh exec web-0 --", "web-0", 0),
        ("chroot /srv/ssh", "/srv/ssh", 0),
        ("env X=/etc/ssh", "X=/etc/ssh", 0),
        ("su - postgres -c", "postgres", 1),
        ("nice -n 5", "nice -n 5", 0),
        ("machinectl shell web", "web", 0),
    ],
)
def test_the_kind_of_a_prefix(prefix: str, name: str, shells: int) -> None:
    (target,) = find_targets([], [prefix])
    assert (target.name, target.shells) == (name, shells)
    text = target.arguments(["sh", "-c", "a b"])[-1]
    for _ in range(shells):
        text = shlex.split(text)[-1]
    assert text == "a b"


@pytest.mark.parametrize("prefix", ["docker", "ssh", "docker exec", "podman exec -i"])
def test_a_prefix_without_its_place(prefix: str) -> None:
    with pytest.raises(ArgumentError, match="no place named"):
        find_targets([], [prefix])


def test_a_file_of_addresses_and_names_would_ask_each_host_twice(
    tmp_path: Path,
) -> None:
    file = tmp_path / "hosts"
    file.write_text("web0\n10.0.0.1 web1\n")
    with pytest.raises(ArgumentError, match=r"separate names .*hosts, line 2"):
        find_targets([f"@{file}"], [])
