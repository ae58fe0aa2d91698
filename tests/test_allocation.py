"""Freed memory is kept in our own processes, and nowhere else."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

# Four megabytes in pieces are allocated and freed, again and again.
PROGRAM = """
import resource
from tcpstates import allocation
{}
allocation.keep_freed_memory()
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
def test_it_is_kept_where_the_process_is_ours() -> None:
    assert page_faults("allocation.claim_process()") < 1000 < page_faults("")


def test_where_it_cannot_be_kept_all_goes_on() -> None:
    hidden = "import sys; sys.modules['ctypes'] = None"
    assert page_faults(f"allocation.claim_process(); {hidden}") >= 0
