"""What the errors of programs say about connections, and what to do about them."""

from __future__ import annotations

from tcpstates.lifecycle.topics import Topic

ERRORS: dict[str, Topic] = {
    "connection-refused": Topic(
        title="connection refused (ECONNREFUSED; Windows: 10061)",
        answer="The SYN was answered with RST, at once. Mostly the host is up, and no"
        " program listens on that address and port: it is not running or not ready"
        " yet, uses another port, or listens on 127.0.0.1 only. In a container,"
        " localhost is the container itself; and localhost may mean ::1 while the"
        " server has only 127.0.0.1. Or a firewall refuses.",
        see=("tcpstates -ltnp 'sport = :8080'", "tcpstates sequence refused"),
    ),
    "reset": Topic(
        title="connection reset by peer (ECONNRESET; Windows: 10054)",
        answer="A RST has arrived. With HTTP most often: the client used an idle"
        " connection again that the server had just closed (Node calls that socket"
        " hang up). Let clients and proxies drop idle connections sooner than the"
        " server does, and retry what may safely run twice. Else: the other side"
        " closed with unread data or aborted (SO_LINGER 0), its host has restarted and"
        " does not know the connection, or a firewall or load balancer ended it. A"
        " program that crashes sends FIN: its kernel closes for it. The reader gets"
        " ECONNRESET once, after the data that had arrived (on Linux).\nWho sends RST:"
        " the kernel, to a SYN on a port without a listener, to any segment that"
        " belongs to no connection, and to data that arrive after the program has"
        " closed. A RST does not say whether data were lost: only the peer's answers"
        " show what it has read.",
        see=(
            "tcpstates sequence reset",
            "tcpstates explain unread-data",
            "tcpstates explain broken-pipe",
        ),
    ),
    "broken-pipe": Topic(
        title="broken pipe (EPIPE), and SIGPIPE",
        answer="The program writes to a connection that is over. In a server's log:"
        " the client has left; stop that answer and close, do not retry. In a client's"
        " log: the server closed first.\nAfter the peer's close(), writes still"
        " succeed, because the kernel only knows that the peer sends nothing more. The"
        " peer answers with RST, and once that has arrived, the next write fails with"
        " EPIPE. After a RST without a FIN before it, the first call fails with"
        " ECONNRESET. shutdown(SHUT_WR) here gives EPIPE, too. Where SIGPIPE is not"
        " ignored, it ends the program.",
        see=("tcpstates explain reset", "tcpstates sequence broken-pipe"),
    ),
    "timeout": Topic(
        title="timed out (ETIMEDOUT; Windows: 10060), and the timers behind it",
        answer="Connecting timed out: no answer came. A firewall drops the packets,"
        " the host is down, the address is wrong, or the server's queue is full."
        " Reading timed out: mostly the limit of a library or proxy, and a server that"
        " is slow: see tcpstates explain waiting. Set both limits in the program;"
        " without them, the kernel's hold:\nconnect() without an answer: the SYN is"
        " resent until the kernel gives up. Linux about 2 minutes (tcp_syn_retries 6:"
        " 127 s, since 6.5 131 s), macOS and the BSDs 75 s, Windows 21 s.\nHalf-open"
        " at the server: 63 s on Linux (tcp_synack_retries 5).\nData without an ACK:"
        " about 15 minutes on Linux (tcp_retries2 15); without a process about two"
        " minutes (tcp_orphan_retries; 0 means 8).\nKeepalive, if the program has"
        " enabled it: two hours, then 9 probes 75 s apart.\nFIN_WAIT_2 without a"
        " process: 60 s on Linux (tcp_fin_timeout).\nTIME_WAIT: 60 s on Linux, 30 s on"
        " macOS.\nCLOSE_WAIT: no timer of its own; keepalive, or sent data without an"
        " ACK, can end it.\nThe timeouts of programs (a proxy's 60 s, a pool's 5"
        " minutes) are their own, and mostly shorter.",
        see=("tcpstates -tano", "tcpstates sequence syn-timeout"),
    ),
    "port-exhaustion": Topic(
        title="cannot assign requested address (EADDRNOTAVAIL; Windows: 10049)",
        answer="connect() needs a free local port for this destination, and there is"
        " none: all ports of net.ipv4.ip_local_port_range (28,232 by default) are in"
        " use for the same server address and port, those in TIME_WAIT included. It is"
        " always the side that opens connections which runs out.\nThe cure is to keep"
        " connections and use them again: one client, session or pool for the whole"
        " program, not one for each request. Also: more addresses on either side, a"
        " wider range, net.ipv4.tcp_tw_reuse=1 (with time stamps on both sides).\nA"
        " program that calls bind() before connect() shares the range among all"
        " destinations, and gets EADDRINUSE; IP_BIND_ADDRESS_NO_PORT avoids"
        " that.\nbind() gives EADDRNOTAVAIL for an address that the host does not"
        " have, and so does connect() to ::1 without IPv6.",
        see=("tcpstates -tan --by state,remote", "tcpstates explain ports"),
    ),
    "too-many-files": Topic(
        title="too many open files (EMFILE; of the whole system: ENFILE)",
        answer="Every socket that a program holds takes a descriptor, and every file;"
        " the process is at its limit. tcpstates -tanp --by process,state tells what"
        " they are. Many in CLOSE_WAIT: something is not closed, and a higher limit"
        " only delays the failure. Many ESTABLISHED to one server: a new client for"
        " each request. Many from clients, and steady: the limit is too low"
        " (LimitNOFILE= of systemd, ulimit -n).",
        see=("tcpstates explain descriptors", "tcpstates explain leak"),
    ),
    "unreachable": Topic(
        title="no route to host (EHOSTUNREACH, ENETUNREACH)",
        answer="A router, or this host's kernel, reports that the packet cannot get"
        " there: there is no route, the next host does not answer, or a firewall"
        " rejects it. Windows: 10065, 10051.",
        see=("ip route get 192.0.2.1", "tcpstates explain timeout"),
    ),
    "errors": Topic(
        title="further errors of sockets",
        answer="EINPROGRESS, EALREADY (10036, 10037): a connect() that does not block"
        " is under way; SYN_SENT.\nEISCONN (10056): the socket is connected"
        " already.\nENOTCONN (10057): the socket is not connected, or no"
        " longer.\nECONNABORTED (10053): this host ended the connection, or, on BSD,"
        " it ended before accept() (on Linux, accept() succeeds and recv()"
        " fails).\nEAGAIN (10035): nothing to read, or the send buffer is"
        " full.\nENOBUFS (10055): no memory for it; on Windows also: no ports"
        " left.\nESHUTDOWN (10058): this side has shut down that"
        " direction.\nENOTFOUND, getaddrinfo: about a name, not a connection; look at"
        " DNS.\nEACCES (10013): ports below 1024 need root or CAP_NET_BIND_SERVICE.",
        see=("tcpstates explain reset", "tcpstates explain timeout"),
    ),
    "backlog": Topic(
        title="the backlog: the limit of the accept queue",
        answer="listen(backlog) limits how many complete connections may wait for"
        " accept(); net.core.somaxconn caps it. A listener's Recv-Q is how many wait"
        " now, its Send-Q the limit. If it is full, the kernel drops SYNs, and clients"
        " wait and repeat theirs: the server seems slow, not down. Usual limits: nginx"
        " and Node 511, Java 50, Python's socketserver 5.\nA longer queue helps with"
        " bursts only. If Recv-Q stays high, the program does not accept: an event"
        " loop is blocked, all workers are busy, or no descriptor is left.",
        see=("tcpstates explain accept-queue", "tcpstates -ltn 'recv-q > 0'"),
    ),
    "keepalive": Topic(
        title="keepalive finds peers that are gone",
        answer="If a program sets SO_KEEPALIVE, the kernel sends probes on an idle"
        " connection: the first after two idle hours (tcp_keepalive_time), then one"
        " each 75 s. After 9 without an answer, the connection ends with ETIMEDOUT."
        " Without it, a program that only waits never notices. While sent data are"
        " unacknowledged, keepalive does not run: TCP_USER_TIMEOUT limits that. A peer"
        " that is there but hangs answers; only a timeout for reading finds that.\nIt"
        " is not the keep-alive of HTTP, which uses one connection for several"
        " requests.\nIt can hide a leak: a socket in CLOSE_WAIT whose peer is gone"
        " vanishes from every table, while the program still holds its descriptor."
        " tcpstates doctor counts such descriptors.",
        code="s.setsockopt(SOL_SOCKET, SO_KEEPALIVE, 1)\ns.setsockopt(IPPROTO_TCP,"
        " TCP_KEEPIDLE, 60)   # seconds\ns.setsockopt(IPPROTO_TCP, TCP_KEEPINTVL,"
        " 10)\ns.setsockopt(IPPROTO_TCP, TCP_KEEPCNT, 3)     # gone after 60 + 3 * 10"
        " s",
        see=("tcpstates -tano timer = keepalive", "tcpstates explain idle"),
    ),
    "leak": Topic(
        title="why sockets stay in CLOSE_WAIT, and how to close them",
        answer="recv() returns nothing when the peer has closed: b'' in Python, 0 in"
        " C; read() returns -1 in Java, io.EOF in Go; Node emits 'end'. (EAGAIN is not"
        " the end.) That is no error, so it is easily missed; code that stops early,"
        " on an error or a return, often skips close(). Each such socket holds a"
        " descriptor until the process ends. A child that has inherited the descriptor"
        " keeps the connection open after close(). If a handler hangs, close() is not"
        " reached: look at its stack.",
        code="wrong:  data = sock.recv(4096)\n        if data:\n           "
        " handle(data)          # and where is close()?\nright:  with sock:           "
        "     # closes on every path\n            while data := sock.recv(4096):\n    "
        "            handle(data)",
        see=("tcpstates doctor close_wait", "tcpstates explain close_wait"),
    ),
    "linger": Topic(
        title="what close() does with data on their way",
        answer="By default, close() returns at once, and the kernel sends the rest."
        " With SO_LINGER and a time, close() waits for the peer's ACK that long, and"
        " then reports success all the same. With SO_LINGER and 0, close() discards"
        " what is left and sends RST: there is no TIME_WAIT, and the peer may lose"
        " data. To avoid TIME_WAIT this way is to trade a harmless state for lost"
        " data.",
        see=("tcpstates sequence reset", "tcpstates explain unread-data"),
    ),
    "orphan": Topic(
        title="orphans: closed by the program, not finished by the kernel",
        answer="After close(), no process holds the socket, but data, the FIN or its"
        " ACK may be under way: FIN_WAIT_1, FIN_WAIT_2, CLOSING, LAST_ACK without a"
        " process. The kernel gives up after tcp_orphan_retries, about two minutes,"
        " and FIN_WAIT_2 after tcp_fin_timeout. Linux counts FIN_WAIT_2 and TIME_WAIT"
        " without a process apart, against tcp_max_tw_buckets.",
        see=("tcpstates explain orphans", "tcpstates explain whose-fault"),
    ),
    "syn-flood": Topic(
        title="a flood of SYNs",
        answer="Somebody sends SYNs from made-up addresses and never completes the"
        " handshake, to fill the queue of half-open connections (SYN_RECEIVED). Linux"
        " then answers with SYN cookies: it keeps nothing, and puts what it needs into"
        " the sequence number of its SYN,ACK. Real clients still get in.\nHundreds of"
        " half-open connections from few addresses are no flood: the answers, or the"
        " last ACKs, are lost on the way, or the accept queue is full. The queue of"
        " half-open connections is as long as the listener's Send-Q, so a tiny backlog"
        " sends cookies without a flood.",
        see=("tcpstates -tan half_open --by remote-address", "tcpstates doctor"),
    ),
}
