"""The layouts of systems that this machine is not, from their documentation."""

from __future__ import annotations

import pytest

from conftest import run_command

LISTING = """\
Netid State  Recv-Q Send-Q Local Address:Port Peer Address:Port Process
tcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:* users:(("sshd",pid=718,fd=3))
tcp ESTAB 0 36 10.0.0.1:22 10.0.0.9:51234 users:(("sshd",pid=900,fd=4))
tcp CLOSE-WAIT 1 0 [2001:db8::1]:443 [2001:db8::2]:50000 users:(("nginx",pid=80,fd=7))
udp UNCONN 0 0 0.0.0.0:68 0.0.0.0:* users:(("dhclient",pid=70,fd=6))
"""


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            ("--like", "windows", "-ano"),
            """
Active Connections

  Proto  Local Address          Foreign Address        State           PID
  TCP    0.0.0.0:22             0.0.0.0:0              LISTENING       718
  TCP    10.0.0.1:22            10.0.0.9:51234         ESTABLISHED     900
  TCP    [2001:db8::1]:443      [2001:db8::2]:50000    CLOSE_WAIT      80
  UDP    0.0.0.0:68             *:*                                    70
""",
        ),
        (
            ("--like", "windows", "-nb", "-p", "tcp"),
            """
Active Connections

  Proto  Local Address          Foreign Address        State
  TCP    10.0.0.1:22            10.0.0.9:51234         ESTABLISHED
 [sshd]
""",
        ),
        (
            ("--like", "bsd", "-an"),
            """\
Active Internet connections (including servers)
Proto Recv-Q Send-Q  Local Address          Foreign Address        (state)
tcp4       0      0  *.22                   *.*                    LISTEN
tcp4       0     36  10.0.0.1.22            10.0.0.9.51234         ESTABLISHED
tcp6       1      0  2001:db8::1.443        2001:db8::2.50000      CLOSE_WAIT
udp4       0      0  *.68                   *.*
""",
        ),
        (
            ("--like", "bsd", "-an", "-p", "udp"),
            """\
Active Internet connections (including servers)
Proto Recv-Q Send-Q  Local Address          Foreign Address        (state)
udp4       0      0  *.68                   *.*
""",
        ),
    ],
)
def test_layouts(arguments: tuple[str, ...], expected: str) -> None:
    finished = run_command(*arguments, "--from", "-", input=LISTING)
    assert (finished.stdout, finished.stderr) == (expected, "")


@pytest.mark.parametrize("arguments", [("/ano",), ("-aNO",), ("-a", "-n", "-o")])
def test_flags_of_windows(arguments: tuple[str, ...]) -> None:
    finished = run_command(
        "--like", "windows", *arguments, "--from", "-", input=LISTING
    )
    assert "LISTENING       718" in finished.stdout


@pytest.mark.parametrize("word", ["5", "1"])
def test_an_interval_is_refused(word: str) -> None:
    finished = run_command("--like", "windows", "-ano", word)
    assert finished.returncode == 2
    assert "watch" in finished.stderr
