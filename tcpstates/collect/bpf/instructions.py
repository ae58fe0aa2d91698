"""Encode the instructions of BPF programs: struct bpf_insn, `linux/bpf.h`."""

from __future__ import annotations

from struct import pack

R0, R1, R2, R3, R4, R6, R7, R8, R9, FRAME = 0, 1, 2, 3, 4, 6, 7, 8, 9, 10
# Helpers, in the order of enum bpf_func_id.
MONOTONIC_NS, CURRENT_PID_TGID, CURRENT_NAME, SOCKET_COOKIE = 5, 14, 16, 46
SEQ_WRITE, RING_OUTPUT, TO_TCP_SOCK, SOCK_FROM_FILE = 127, 130, 137, 162
_MAP, _MAP_VALUE = 1, 2  # BPF_PSEUDO_*: what a number of 64 bits stands for


def instruction(
    code: int, target: int = 0, source: int = 0, offset: int = 0, value: int = 0
) -> bytes:
    """Encode one instruction: struct bpf_insn."""
    registers = target | source << 4 if _IS_LITTLE else target << 4 | source
    return pack("=BBhi", code, registers, offset, value)


_IS_LITTLE = pack("=H", 1) == b"\1\0"


def load64(target: int, source: int, offset: int) -> bytes:
    """Load 8 bytes from the address in a register, plus an offset."""
    return instruction(0x79, target, source, offset)


def load32(target: int, source: int, offset: int) -> bytes:
    """Load 4 bytes in the same way."""
    return instruction(0x61, target, source, offset)


def load16(target: int, source: int, offset: int) -> bytes:
    """Load 2 bytes in the same way."""
    return instruction(0x69, target, source, offset)


def load_map(target: int, descriptor: int) -> bytes:
    """Load the address of a map: two instructions."""
    return instruction(0x18, target, _MAP, 0, descriptor) + instruction(0)


def load_map_value(target: int, descriptor: int) -> bytes:
    """Load the address of the values of an array: two instructions."""
    return instruction(0x18, target, _MAP_VALUE, 0, descriptor) + instruction(0)


def count_in_memory(target: int, offset: int, source: int) -> bytes:
    """Add a register to the 8 bytes at an address, for all processors at once."""
    return instruction(0xDB, target, source, offset)


def store64(offset: int, source: int) -> bytes:
    """Store 8 bytes of a register in the frame."""
    return instruction(0x7B, FRAME, source, offset)


def store32(offset: int, source: int) -> bytes:
    """Store 4 bytes of a register in the frame."""
    return instruction(0x63, FRAME, source, offset)


def store16(offset: int, source: int) -> bytes:
    """Store 2 bytes of a register in the frame."""
    return instruction(0x6B, FRAME, source, offset)


def zero64(offset: int) -> bytes:
    """Store 8 zero bytes in the frame."""
    return instruction(0x7A, FRAME, 0, offset)


def move(target: int, source: int) -> bytes:
    """Copy a register."""
    return instruction(0xBF, target, source)


def number(target: int, value: int) -> bytes:
    """Set a register to a number."""
    return instruction(0xB7, target, value=value)


def add(target: int, value: int) -> bytes:
    """Add a number to a register."""
    return instruction(0x07, target, value=value)


def call(helper: int) -> bytes:
    """Call a helper of the kernel with the registers R1 to R5."""
    return instruction(0x85, value=helper)


def jump_if_zero(register: int, skipped: int) -> bytes:
    """Skip so many instructions if a register is zero."""
    return instruction(0x15, register, 0, skipped)


def jump_if_set(register: int, skipped: int) -> bytes:
    """Skip so many instructions if a register is not zero."""
    return instruction(0x55, register, 0, skipped)


def jump_if_equal(register: int, value: int, skipped: int) -> bytes:
    """Skip so many instructions if a register is a number."""
    return instruction(0x15, register, 0, skipped, value)


def jump_unless_equal(register: int, value: int, skipped: int) -> bytes:
    """Skip so many instructions if a register is not a number."""
    return instruction(0x55, register, 0, skipped, value)


def jump_if_less(register: int, value: int, skipped: int) -> bytes:
    """Skip so many instructions if a register is less than a number, both unsigned."""
    return instruction(0xA5, register, 0, skipped, value)


def jump(skipped: int) -> bytes:
    """Skip so many instructions."""
    return instruction(0x05, 0, 0, skipped)


def shift_right(target: int, bits: int) -> bytes:
    """Shift a register, filling it with zeros."""
    return instruction(0x77, target, value=bits)


def leave() -> bytes:
    """Return R0."""
    return instruction(0x95)
