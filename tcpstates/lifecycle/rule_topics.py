"""What the rules and words of the doctor mean, for `tcpstates explain`.

Rules that are named after a state are explained with it.
"""

from __future__ import annotations

from tcpstates.lifecycle.basics import BASICS
from tcpstates.lifecycle.errors import ERRORS
from tcpstates.lifecycle.topics import TOPICS, Topic

RULE_TOPICS: dict[str, Topic] = {
    "accept-queue": Topic(
        title="connections that wait for accept()",
        answer="The kernel completes handshakes by itself. Until the program calls"
        " accept(), a complete connection waits in the listener's accept queue. Its"
        " client is connected, sends its request, and gets no answer: a timeout when"
        " it reads, not when it connects.\nFor a listener, Recv-Q is the number of"
        " waiting connections and Send-Q the limit: the smaller one of listen()'s"
        " backlog and net.core.somaxconn. If the queue is full, the kernel drops new"
        " SYNs, and the ACKs that complete handshakes: new clients hang in SYN_SENT,"
        " and connections stay half-open.\nA queue fills up if the program is too"
        " slow, is blocked or stopped, or has no descriptor left for another"
        " connection. A longer queue only helps with bursts.",
        see=("tcpstates -ltnp --sort -recv-q", "nstat -az TcpExtListenOverflows"),
    ),
    "accept-drops": Topic(
        title="segments that a full accept queue has dropped",
        answer="The kernel counts the drops of all listeners of a network namespace"
        " together (TcpExtListenOverflows), so the counter does not show whose queue"
        " it was. It counts SYNs and last ACKs, each repeat again. A client repeats"
        " its SYN after a second, so a dropped one costs that time.",
        see=("tcpstates explain accept-queue", "tcpstates doctor --watch 5"),
    ),
    "closing": Topic(
        title="closed sockets whose FIN nobody acknowledges",
        answer="After close(), the kernel sends a FIN and repeats it until the peer"
        " acknowledges it: in FIN_WAIT_1, LAST_ACK or CLOSING. If the peer is gone, or"
        " a firewall has forgotten the connection, the kernel gives up after two"
        " minutes.",
        see=("tcpstates -tano fin_wait_1 last_ack closing", "tcpstates doctor"),
    ),
    "closing-full": Topic(
        title="closed sockets that still have to send",
        answer="The program has closed the socket, but the peer accepts no data (its"
        " window is zero), so the rest, and the FIN behind it, have to wait. The"
        " kernel sends probes. It gives up after two minutes if nobody answers them,"
        " and after five or six if the peer answers but takes nothing: the rest is"
        " lost.",
        see=("tcpstates explain zero-window", "tcpstates -tano fin_wait_1"),
    ),
    "connect": Topic(
        title="a destination that does not answer",
        answer="A SYN got neither an answer nor a refusal. The kernel repeats it each"
        " second at first (since Linux 6.5), then after twice as long each time, and"
        " connect() fails after about two minutes. A firewall drops the SYNs, a host"
        " beyond a router is gone, or the server's accept queue is full. If only"
        " nothing listened there, its kernel would refuse at once.",
        see=("tcpstates -tanpo syn_sent", "tcpstates explain syn_sent"),
    ),
    "connect-failed": Topic(
        title="handshakes that fail",
        answer="Where nothing listens on a port, the kernel answers the SYN with a"
        " RST, and connect() fails with ECONNREFUSED. The socket is gone at once, so"
        " no listing shows it. TcpAttemptFails counts it, and also connect() calls"
        " that the kernel gave up and incoming handshakes that the client reset.",
        see=("nstat -az TcpAttemptFails", "tcpstates sequence refused"),
    ),
    "short-lived": Topic(
        title="connections that open and end between two scans",
        answer="A connection of a few milliseconds is in no listing, but the kernel"
        " reports the end of every socket. Many of them cost time: a handshake each,"
        " and on the side that closes first a port for a minute (TIME_WAIT). If no data"
        " moved, the connection was refused, reset or given up, or something only"
        " tests whether the port answers, as load balancers do.",
        see=("tcpstates doctor --watch 10", "tcpstates trace --for 10 --summary -q"),
    ),
    "descriptors": Topic(
        title="a process at its limit of descriptors",
        answer="Each socket and each open file takes a descriptor. At the limit"
        " (RLIMIT_NOFILE; LimitNOFILE= of systemd, ulimit -n), accept(), connect() and"
        " open() fail with EMFILE. If the number grows for ever, something is not"
        " closed, and a higher limit only delays the failure.",
        see=("tcpstates -tanp --by process,state", "prlimit --pid PID --nofile"),
    ),
    "growing": Topic(
        title="a growing number of connections",
        answer="A program that opens connections and never closes them holds one more"
        " ESTABLISHED socket each time. They look healthy one by one; only their"
        " number shows the leak. It ends at a limit: the program's descriptors, the"
        " server's connections, or the ports for that destination.",
        see=("tcpstates doctor --watch 30", "tcpstates -tan --by remote-address"),
    ),
    "idle": Topic(
        title="connections on which nothing moves",
        answer="If a peer vanishes, or a firewall forgets a connection, a"
        " program that only waits never notices. Keepalive probes reveal it"
        " (SO_KEEPALIVE; the first one after tcp_keepalive_time, two hours), and so do"
        " any data that are sent.\nIDLE is not a state of RFC 9293: Solaris and HP-UX"
        " use it for sockets that are open and not bound.",
        see=("tcpstates -tano established timer = off",),
    ),
    "memory": Topic(
        title="TCP's memory, and its limit",
        answer="All connections of the kernel share the memory of tcp_mem, three"
        " numbers of pages. Above the second one, windows shrink; at the third one,"
        " the kernel drops segments and resets closed (orphaned) sockets. Mostly, data"
        " that programs do not read fill it.",
        see=("tcpstates -tanpm --sort -recv-q --limit 20", "sysctl net.ipv4.tcp_mem"),
    ),
    "namespaces": Topic(
        title="network namespaces",
        answer="A network namespace has interfaces, ports and sockets of its own."
        " Containers and some services have one each. A command sees the sockets of"
        " the namespace that it runs in, so a sick container is not visible from the"
        " host, except with --netns, which reads other namespaces, or all of them.",
        see=("tcpstates doctor --netns all", "tcpstates -ta --netns all --by netns"),
    ),
    "orphans": Topic(
        title="closed sockets that the kernel has still to finish",
        answer="After close(), no process owns the socket; the kernel sends the rest"
        " of the data and the FIN, and waits for the peer. Such an orphan is in"
        " FIN_WAIT_1, CLOSING or LAST_ACK. There may be tcp_max_orphans of them, in"
        " all network namespaces together. FIN_WAIT_2 without a process counts with"
        " TIME_WAIT, against tcp_max_tw_buckets.",
        see=("tcpstates -tano fin_wait_1 fin_wait_2 closing last_ack",),
    ),
    "ports": Topic(
        title="ephemeral ports that run out",
        answer="connect() takes a local port out of net.ipv4.ip_local_port_range. Each"
        " one can be used once for the same destination (address and port), so some"
        " 28,000 connections to one destination are possible from one address, those"
        " in TIME_WAIT included. After that, connect() fails with"
        " EADDRNOTAVAIL.\nReusing connections helps; more destinations or local"
        " addresses do, too. A program that calls bind() before connect() shares the"
        " range among all destinations.",
        see=("tcpstates -tan --by state,remote", "tcpstates explain time_wait"),
    ),
    "silent-peer": Topic(
        title="a peer that does not acknowledge",
        answer="Data that were sent, or probes, get no ACK, so the kernel repeats them"
        " at growing intervals (tcp_retries2 times: about a quarter of an hour). The"
        " peer's host is gone, or something on the way drops the segments."
        " TCP_USER_TIMEOUT makes the kernel give up sooner. Meanwhile the connection"
        " looks ESTABLISHED, and the program gets no error.",
        see=("tcpstates -tanpo retrans '>' 0", "tcpstates explain zero-window"),
    ),
    "stopped": Topic(
        title="a process that does not run",
        answer="SIGSTOP, Ctrl-Z and debuggers stop a process (state T of ps). A process"
        " in uninterruptible sleep (D) waits in the kernel, for a disk as a rule."
        " Neither accepts nor reads, but its kernel still completes handshakes and"
        " acknowledges data, so its clients wait without an error.",
        see=("ps -o pid,stat,wchan,args -p PID", "kill -CONT PID"),
    ),
    "udp-drops": Topic(
        title="datagrams that do not fit into the receive buffer",
        answer="A UDP socket holds what has arrived until the program reads it. If the"
        " buffer (SO_RCVBUF, net.core.rmem_default) is full, the kernel drops further"
        " datagrams and counts them for that socket. Nobody resends them.",
        see=("tcpstates -uanpm", "nstat -az UdpRcvbufErrors"),
    ),
    "unix": Topic(
        title="unix sockets",
        answer="Unix sockets connect programs on one host, such as nginx and gunicorn."
        " They have accept queues as TCP has, but no states of TCP; tcpstates does not"
        " examine them.",
        see=("ss -xlp",),
    ),
    "unlisted": Topic(
        title="sockets that no listing shows",
        answer="When a connection ends by a reset, a timeout or keepalive, the kernel"
        " takes it out of its tables at once. If the program does not close its"
        " descriptor, the socket goes on to exist, without a state that a listing could"
        " show. So a leak of CLOSE_WAIT sockets with keepalive vanishes from the table"
        " when the peers are gone, while the descriptors stay. The kernel counts such"
        " sockets in alloc, and not in inuse, of /proc/net/sockstat.",
        see=("tcpstates explain keepalive", "tcpstates explain leak"),
    ),
    "unread": Topic(
        title="data that the program does not read",
        answer="The kernel acknowledges data when they arrive, and Recv-Q counts what"
        " the program has not read yet. If it stays, the program is blocked, busy or"
        " stopped, or has forgotten the connection. Once the buffer is full, the"
        " window is zero, and the peer cannot send.",
        see=("tcpstates -tanp recv-q '>' 0", "tcpstates explain zero-window"),
    ),
    "waiting": Topic(
        title="a request without an answer",
        answer="The peer's kernel acknowledges a request even if its program does not"
        " read it. So the last ACK is a little younger than the last data sent, and"
        " nothing has been received since. Many such connections to one destination"
        " mean that the server is busy, is stopped, or waits for a lock itself. Long"
        " polls and subscriptions look the same, and are healthy.",
        see=("tcpstates -tanpi established", "tcpstates doctor"),
    ),
    "zero-window": Topic(
        title="a peer that accepts no data",
        answer="Each ACK says how much more the receiver can take: the window. If its"
        " program does not read, the buffer fills up, and the window becomes zero. The"
        " sender's kernel then sends probes at growing intervals (the probe timer). A"
        " peer that is there answers each of them, so unanswered probes mean that its"
        " host, or the path, is gone. Answered ones go on for as long as a process"
        " holds the socket.",
        see=("tcpstates -tanpo timer = probe", "tcpstates explain unread"),
    ),
}
# What `tcpstates explain` knows besides the states.
ALL_TOPICS = TOPICS | BASICS | ERRORS | RULE_TOPICS
