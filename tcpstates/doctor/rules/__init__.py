"""The doctor's rules, one module for each family of problems.

A rule works once its class stands in RULES.
"""

from __future__ import annotations

from tcpstates.doctor.rule import Rule
from tcpstates.doctor.rules.accept_queue import AcceptQueueRule
from tcpstates.doctor.rules.closing import ClosingRule
from tcpstates.doctor.rules.connect import UnansweredSynRule
from tcpstates.doctor.rules.connections import FailedRule, GrowingRule
from tcpstates.doctor.rules.datagrams import DatagramsRule
from tcpstates.doctor.rules.descriptors import DescriptorsRule
from tcpstates.doctor.rules.elsewhere import ElsewhereRule
from tcpstates.doctor.rules.ephemeral_ports import EphemeralPortsRule
from tcpstates.doctor.rules.half_closed import HalfClosedRule
from tcpstates.doctor.rules.half_open import HalfOpenRule
from tcpstates.doctor.rules.limits import MemoryRule, OrphanLimitRule, TimeWaitLimitRule
from tcpstates.doctor.rules.neglected import NeglectedRule
from tcpstates.doctor.rules.stopped import StoppedRule
from tcpstates.doctor.rules.unlisted import UnlistedRule
from tcpstates.doctor.rules.unresponsive import UnresponsivePeerRule
from tcpstates.doctor.rules.waiting import WaitingRule

# The order in which rules report what could not be examined.
RULES: tuple[type[Rule], ...] = (
    StoppedRule,
    HalfClosedRule,
    ClosingRule,
    UnansweredSynRule,
    UnresponsivePeerRule,
    NeglectedRule,
    WaitingRule,
    AcceptQueueRule,
    HalfOpenRule,
    EphemeralPortsRule,
    TimeWaitLimitRule,
    OrphanLimitRule,
    DescriptorsRule,
    UnlistedRule,
    MemoryRule,
    GrowingRule,
    FailedRule,
    DatagramsRule,
    ElsewhereRule,
)
