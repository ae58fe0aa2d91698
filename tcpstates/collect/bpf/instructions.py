"""Encode the instructions of BPF programs: struct bpf_insn, `linux/bpf.h`."""

from __future__ import annotations

from struct import pack

R0, R1, R2, R3, R6, R7, R8, R9, FRAME = 0, 1, 2, 3, 6, 7, 8, 9, 10
SEQ_WRITE, SOCK_FROM_FILE = 127, 162  # helpers


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


def store64(offset: int, source: int) -> bytes:
    """Store 8 bytes of a register in the frame."""
    return instruction(0x7B, FRAME, source, offset)


def store32(offset: int, source: int) -> bytes:
    """Store 4 bytes of a register in the frame."""
    return instruction(0x63, FRAME, source, offset)


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


def jump_if_less(register: int, value: int, skipped: int) -> bytes:
    """Skip so many instructions if a register is less than a number, both unsigned."""
    return instruction(0xA5, register, 0, skipped, value)


def jump(skipped: int) -> bytes:
    """Skip so many instructions."""
    return instruction(0x05, 0, 0, skipped)


def leave() -> bytes:
    """Return R0."""
    return instruction(0x95)
