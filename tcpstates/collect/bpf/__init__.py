"""Programs for the kernel, without a compiler, headers or a library.

`btf` finds where the kernel's structures have their members, `instructions` encodes a
program, `program` loads it. `descriptors` lists every open socket of the host;
`transitions` reports every change of a TCP state. Needs CAP_BPF
and CAP_PERFMON, Linux 5.11 (5.12 to trace) and a kernel with BTF.
"""
