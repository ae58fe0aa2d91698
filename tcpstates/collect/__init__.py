"""Read from the system: sockets, their owners, names. The only package with I/O.

Each source is named after what it reads, never after an operating system.
"""
