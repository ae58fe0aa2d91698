"""Every open socket of the host from a BPF iterator, without a scan of /proc.

`btf` finds where the kernel's structures have their members, `program` assembles and
loads the iterator, `descriptors` reads what it prints. Needs CAP_BPF and CAP_PERFMON,
Linux 5.11 and a kernel with BTF; no compiler, headers or library.
"""
