"""End sockets of other processes; nothing else in tcpstates changes anything.

A build that must not be able to do this leaves this package out: the command then says
so. `select` chooses what is ended and what is spared, `effects` says what both sides
will notice, `session` knows the sockets of the user's own session, `destroy` asks the
kernel.
"""
