"""Settings of the whole process are made in our own processes, and nowhere else."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

# Four megabytes in pieces are allocated and freed, again and again.
PROGRAM = """
import resource
from tcpstates import own_process
{}
own_process.prepare_for_many()
def work():
    pieces = [bytes(100_000) for _ in range(40)]
work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(50):
    work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(setup: str) -> int:
    program = [sys.executable, "-c", PROGRAM.format(setup)]
    found = subprocess.run(program, capture_output=True, text=True, check=True)
    return int(found.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc has mallopt(3)")
def test_freed_memory_is_kept_where_the_process_is_ours() -> None:
    assert page_faults("own_process.claim_process()") < 1000 < page_faults("")


def test_where_it_cannot_be_kept_all_goes_on() -> None:
    hidden = "import sys; sys.modules['ctypes'] = None"
    assert page_faults(f"own_process.claim_process(); {hidden}") >= 0


def test_threads_of_other_programs_take_turns_as_before() -> None:
    program = "import sys; from tcpstates import own_process; {}"
    program += "; own_process.prepare_for_many(); print(sys.getswitchinterval())"

    def interval(setup: str) -> float:
        command = [sys.executable, "-c", program.format(setup)]
        return float(subprocess.run(command, capture_output=True, check=True).stdout)

    ours, others = interval("own_process.claim_process()"), interval("pass")
    assert others == pytest.approx(sys.getswitchinterval())
    assert ours < others / 2
