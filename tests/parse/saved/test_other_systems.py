"""Listings of other systems and tools, row by row, and what is lost when one is damaged.

The rows are made up, in the forms that the sources of the tools, their manuals and
recorded output show.
"""

from __future__ import annotations

import pytest

from parse.saved.test_nothing_lost import damaged, read

MACOS_QUEUES = """\
Current listen queue sizes (qlen/incqlen/maxqlen)
Listen         Local Address
0/0/128        *.8080
10/0/128        127.0.0.1.631
0/0/5          localhost.ipp
"""
FREEBSD_QUEUES = """\
Current listen queue sizes (qlen/incqlen/maxqlen)
Proto Listen         Local Address
tcp4  3/0/128        192.0.2.1.80
tcp46 0/0/128        *.22
tcp6  0/0/10         2001:db8::1.443
unix  0/0/4          /var/run/devd.pipe
unix  0/0/4
"""
FREEBSD_QUEUES_WITH_A = """\
Tcpcb            Proto Listen                           Local Address
fffff80003ee2410 tcp4  0/0/10                           127.0.0.1.25
"""
MACOS_QUEUES_WITH_A = """\
Socket           Flowhash Listen         Local Address
dfdf3e0f1d1c2b3a        0 0/0/128        *.22
"""
OPENBSD_FSTAT = """\
USER     CMD          PID   FD MOUNT        INUM MODE       R/W    SZ|DV
www      httpd      22930   wd /            2    drwxr-xr-x r        512
www      httpd      22930    3* internet stream tcp 0xffff8000008e9660 *:80
www      httpd      22930    4* internet6 stream tcp 0x0 *:80
_unwind  unwind     19822    3* unix stream 0x0 /dev/unwind.sock
_unwind  unwind     19822    6* internet dgram udp 127.0.0.1:53
root     sshd       31337    4* internet stream tcp 0x0 192.0.2.5:22 <-- 192.0.2.9:50522
joe      ssh        31338    3* internet6 stream tcp 0x0 [2001:db8::5]:40022 --> [::1]:22
_ntp     ntpd       40123    5* internet dgram udp 192.0.2.5:35123 <-> 192.0.2.7:123
_relay   relayd     55555    9* internet stream tcp 0x0 192.0.2.1:80 <-- 192.0.2.9:4000\
 ==> 0x0 192.0.2.1:5000 --> 192.0.2.2:8080
root     ping       55556    9* internet raw icmp 0x0
"""
NETBSD_FSTAT = """\
USER     CMD          PID   FD MOUNT       INUM MODE         SZ|DV R/W
root     sshd         123    4* internet stream tcp 192.0.2.9:50522 <-> 192.0.2.5:22
root     ntpd         124    5* internet dgram udp 192.0.2.7:123 <-> 192.0.2.5:35123
root     smbd        2846   28* internet stream tcp c2b3a310 192.0.2.118:445
"""
FREEBSD_FSTAT = """\
root     sshd         812    4* internet stream tcp fffff80003d0c820 *:22 <-> *:0
root     sshd        9001    4* internet stream tcp fffff800 192.0.2.5:22 <-> 192.0.2.9:505
root     sshd        9002    5* internet6 stream tcp fffff801 2001:db8::5.22 <-> ::1.505
"""
LSFD = r"""
COMMAND         PID USER  ASSOC  XMODE   TYPE SOURCE MNTID  INODE NAME
sshd           1137 root      3 rw----    TCP sockfs     9  34689 state=listen laddr=0.0.0.0:22
sshd           1137 root      4 rw----  TCPv6 sockfs     9  34690 state=listen laddr=[::]:22
Web Content     716 jet       4 rw----    TCP sockfs     9  34691 state=established laddr=192.0.2.1:23456 raddr=192.0.2.2:443
systemd-res     630 53       12 rw----    UDP sockfs     9  34692 state=close laddr=127.0.0.53:53
x               631 root      5 rw---- UDP-Lite sockfs   9  34693 state=close laddr=127.0.0.1:56
x               631 root    cwd ------    DIR    vda     0      2 /
"""
LSFD_RAW = r"sshd 1137 root 4 rw- TCPv6 sockfs 9 34689 state=listen\x20laddr=[::]:22"
LSFD_JSON = """\
{
   "lsfd": [
      {
         "command": "sshd",
         "pid": 4072,
         "user": "root",
         "assoc": "3",
         "type": "TCP",
         "inode": 6523,
         "name": "state=listen laddr=0.0.0.0:22"
      },{
         "command": "sshd",
         "pid": 4072,
         "user": "root",
         "assoc": "cwd",
         "type": "DIR",
         "name": "/"
      }
   ]
}
"""
ZOS_SHORT = """\
MVS TCP/IP NETSTAT CS V2R5       TCPIP Name: TCPIP           00:20:01
User Id  Conn     Local Socket           Foreign Socket         State
-------  ----     ------------           --------------         -----
SSHD4    000000A2 0.0.0.0..22            0.0.0.0..0             Listen
AGENT1   00000064 127.0.0.1..1025        127.0.0.1..1026        Establsh
AGENT2   00000065 127.0.0.1..1026        127.0.0.1..1025        ClosWait
NFSC     00000023 0.0.0.0..1023          *..*                   UDP
"""
ZOS_WITH_NUMBERS = """\
EZZ2350I MVS TCP/IP NETSTAT CS 3.1       TCPIP Name: TCPIP           08:13:31
EZZ2585I User Id  Conn     Local Socket           Foreign Socket         State
EZZ2586I -------  ----     ------------           --------------         -----
EZZ2587I SSHD4    0000001C 0.0.0.0..22            0.0.0.0..0             Listen
"""
ZOS_LONG = """\
User Id  Conn     State
-------  ----     -----
WEB001   000014F6 Establsh
  Local Socket:   ::ffff:192.0.2.1..9355
  Foreign Socket: ::ffff:192.0.2.2..4681
WEB001   000012D9 Listen
  Local Socket:   ::..9355
  Foreign Socket: ::..0
"""
ZOS_CONSOLE = """\
 EZZ2500I NETSTAT CS 3.1 TCPIP 486
USER ID  CONN     LOCAL SOCKET           FOREIGN SOCKET         STATE
SSHD4    0000001C 0.0.0.0..22            0.0.0.0..0             LISTEN
WEB001   00000205 192.0.2.1..10443       192.0.2.2..1041        ESTBLSH
2 OF 2 RECORDS DISPLAYED
END OF THE REPORT
"""
IOS = """\
R1#show tcp brief all
TCB       Local Address               Foreign Address             (state)
7F71A7A76F48  192.0.2.2.646              192.0.2.4.52429             ESTAB
 03016278  192.0.2.2.29853         192.0.2.9.23          CLOSEWAIT
03577CD8  ::.22                    *.*                    LISTEN
"""
IOS_PORTS = """\
Active internet connections (servers and established)
Prot        Local Address      Foreign Address                  Service    State
 tcp                 *:22                  *:0                  SSH-Server LISTEN
 tcp                 *:80                  *:0                   HTTP CORE LISTEN
 tcp         192.0.2.1:23       192.0.2.9:4000                   Telnet ESTABLIS
"""
NXOS = """\
Active connections (including servers)
        Protocol State/       Recv-Q/   Local Address(port)/
                 Context      Send-Q    Remote Address(port)
[host]: tcp(4/6) LISTEN       0         *(22)
                 Wildcard     0         *(*)
[host]: tcp      ESTABLISHED  0         192.0.2.1(22)
                 management   96        192.0.2.9(59879)
[host]: udp                   0         127.0.0.1(130)
                 Wildcard     0         *(*)
[host]: raw                   0         127.0.0.1(1)
                 Wildcard     0         *(*)
"""
ASA = """\
Protocol  Socket    State      Local Address        Foreign Address
SSL       0001ebf8  LISTEN     192.0.2.1:443        0.0.0.0:*
TCP       3712d678  ESTAB      192.0.2.1:22         192.0.2.3:50233
DTLS      3712d679  LISTEN     192.0.2.1:443        0.0.0.0:*
"""
ASA_OLD = "TCP       00012bac  192.0.2.1:23      0.0.0.0:*               LISTEN"
NONSTOP = """\
TCPIP Status PROCESS \\SYSA.$ZTC0
Status: STARTED
PPID.................. ( 0,107) BPID.................. ( 1, 98)
Proto State Laddr Lport Faddr Fport SendQ RecvQ
TCP TIME-WAIT 192.0.2.1 ftp-data 192.0.2.2 11089 0 0
TCP LISTEN 0.0.0.0 telnet 0.0.0.0 * 0 0
TCP ESTAB 192.0.2.1 1057 192.0.2.2 5000 7 3
UDP 0.0.0.0 1029 0.0.0.0 * 0 0
50 0.0.0.0 * 0.0.0.0 * 0 0
"""
WINDOWS_NAMES = """\
  Proto  Local Address          Foreign Address        State
  TCP    0.0.0.0:135            HOST:0                 LISTENING
  RpcSs
 [svchost.exe]
  TCP    0.0.0.0:445            HOST:0                 LISTENING
 Can not obtain ownership information
  TCP    192.0.2.2:50000        192.0.2.9:443          CLOSE_WAIT
 [chrome.exe]
"""
POWERSHELL_TCP = """\
PS C:\\> Get-NetTCPConnection -State Listen | Select LocalAddress, LocalPort, ProcessName

LocalAddress LocalPort OwningProcess ProcessName
------------ --------- ------------- -----------
::               49668           640 File Server

PS C:\\> Get-NetUDPEndpoint | Select LocalAddress, LocalPort

LocalAddress LocalPort
------------ ---------
::                5985
"""
POWERSHELL_PROCESS = """\
LocalAddress LocalPort RemoteAddress RemotePort       State Process
------------ --------- ------------- ----------       ----- -------
::               49671 ::                     0      Listen services
0.0.0.0            445 0.0.0.0                0      Listen 4
"""
POWERSHELL_LIST = """\
    LocalAddress  : ::
    RemoteAddress : ::
    Proto         : TCP
    LocalPort     : 11434 (Ollama API)
    RemotePort    : 0
    State         : Listen
    PID           : 984
    UserName      : NT AUTHORITY\\NETWORK SERVICE
    ProcessName   : svchost

    LocalAddress  : 0.0.0.0
    LocalPort     : 123
    OwningProcess : 3724
    Name          : svchost
"""

ANY, ANY6 = "0.0.0.0:0", ":::0"
READ = {
    "macos-queues": (
        MACOS_QUEUES,
        f"tcp LISTEN 0.0.0.0:8080 {ANY}",
        f"tcp LISTEN 127.0.0.1:631 {ANY}",
        f"tcp LISTEN localhost:631 {ANY}",
    ),
    "freebsd-queues": (
        FREEBSD_QUEUES,
        f"tcp LISTEN 192.0.2.1:80 {ANY}",
        f"tcp LISTEN :::22 {ANY6}",
        f"tcp LISTEN 2001:db8::1:443 {ANY6}",
    ),
    "freebsd-queues-A": (FREEBSD_QUEUES_WITH_A, f"tcp LISTEN 127.0.0.1:25 {ANY}"),
    "macos-queues-A": (MACOS_QUEUES_WITH_A, f"tcp LISTEN 0.0.0.0:22 {ANY}"),
    "a-row-of-queues": ("tcp4  0/0/128        *.80", f"tcp LISTEN 0.0.0.0:80 {ANY}"),
    "openbsd-fstat": (
        OPENBSD_FSTAT,
        f"tcp UNKNOWN 0.0.0.0:80 {ANY} httpd[22930]",
        f"tcp UNKNOWN :::80 {ANY6} httpd[22930]",
        f"udp UNCONN 127.0.0.1:53 {ANY} unwind[19822]",
        "tcp UNKNOWN 192.0.2.5:22 192.0.2.9:50522 sshd[31337]",
        "tcp UNKNOWN 2001:db8::5:40022 ::1:22 ssh[31338]",
        "udp ESTABLISHED 192.0.2.5:35123 192.0.2.7:123 ntpd[40123]",
        "tcp UNKNOWN 192.0.2.1:80 192.0.2.9:4000 relayd[55555]",
    ),
    "netbsd-fstat": (
        NETBSD_FSTAT,
        "tcp UNKNOWN 192.0.2.5:22 192.0.2.9:50522 sshd[123]",
        "udp ESTABLISHED 192.0.2.5:35123 192.0.2.7:123 ntpd[124]",
        f"tcp UNKNOWN 192.0.2.118:445 {ANY} smbd[2846]",
    ),
    "freebsd-fstat": (
        FREEBSD_FSTAT,
        f"tcp UNKNOWN 0.0.0.0:22 {ANY} sshd[812]",
        "tcp UNKNOWN 192.0.2.5:22 192.0.2.9:505 sshd[9001]",
        "tcp UNKNOWN 2001:db8::5:22 ::1:505 sshd[9002]",
    ),
    "lsfd": (
        LSFD,
        f"tcp LISTEN 0.0.0.0:22 {ANY} sshd[1137]",
        f"tcp LISTEN :::22 {ANY6} sshd[1137]",
        "tcp ESTABLISHED 192.0.2.1:23456 192.0.2.2:443 Web Content[716]",
        f"udp UNCONN 127.0.0.53:53 {ANY} systemd-res[630]",
    ),
    "lsfd-raw": (LSFD_RAW, f"tcp LISTEN :::22 {ANY6} sshd[1137]"),
    "lsfd-json": (LSFD_JSON, f"tcp LISTEN 0.0.0.0:22 {ANY} sshd[4072]"),
    "zos": (
        ZOS_SHORT,
        f"tcp LISTEN 0.0.0.0:22 {ANY}",
        "tcp ESTABLISHED 127.0.0.1:1025 127.0.0.1:1026",
        "tcp CLOSE_WAIT 127.0.0.1:1026 127.0.0.1:1025",
        f"udp UNCONN 0.0.0.0:1023 {ANY}",
    ),
    "zos-numbers": (ZOS_WITH_NUMBERS, f"tcp LISTEN 0.0.0.0:22 {ANY}"),
    "zos-grep": (ZOS_SHORT.splitlines()[3], f"tcp LISTEN 0.0.0.0:22 {ANY}"),
    "zos-long": (
        ZOS_LONG,
        "tcp ESTABLISHED ::ffff:192.0.2.1:9355 ::ffff:192.0.2.2:4681",
        f"tcp LISTEN :::9355 {ANY6}",
    ),
    "zos-console": (
        ZOS_CONSOLE,
        f"tcp LISTEN 0.0.0.0:22 {ANY}",
        "tcp ESTABLISHED 192.0.2.1:10443 192.0.2.2:1041",
    ),
    "ios": (
        IOS,
        "tcp ESTABLISHED 192.0.2.2:646 192.0.2.4:52429",
        "tcp CLOSE_WAIT 192.0.2.2:29853 192.0.2.9:23",
        f"tcp LISTEN :::22 {ANY6}",
    ),
    "ios-ports": (
        IOS_PORTS,
        f"tcp LISTEN 0.0.0.0:22 {ANY}",
        f"tcp LISTEN 0.0.0.0:80 {ANY}",
        "tcp ESTABLISHED 192.0.2.1:23 192.0.2.9:4000",
    ),
    "nxos": (
        NXOS,
        f"tcp LISTEN :::22 {ANY6}",
        "tcp ESTABLISHED 192.0.2.1:22 192.0.2.9:59879",
        f"udp UNCONN 127.0.0.1:130 {ANY}",
    ),
    "asa": (
        ASA,
        f"tcp LISTEN 192.0.2.1:443 {ANY}",
        "tcp ESTABLISHED 192.0.2.1:22 192.0.2.3:50233",
        f"udp UNCONN 192.0.2.1:443 {ANY}",
    ),
    "asa-old": (ASA_OLD, f"tcp LISTEN 192.0.2.1:23 {ANY}"),
    "nonstop": (
        NONSTOP,
        "tcp TIME_WAIT 192.0.2.1:20 192.0.2.2:11089",
        f"tcp LISTEN 0.0.0.0:23 {ANY}",
        "tcp ESTABLISHED 192.0.2.1:1057 192.0.2.2:5000",
        f"udp UNCONN 0.0.0.0:1029 {ANY}",
    ),
    "windows-b": (
        WINDOWS_NAMES,
        "tcp LISTEN 0.0.0.0:135 HOST:0 svchost.exe[None]",
        "tcp LISTEN 0.0.0.0:445 HOST:0",
        "tcp CLOSE_WAIT 192.0.2.2:50000 192.0.2.9:443 chrome.exe[None]",
    ),
    "powershell-command": (
        POWERSHELL_TCP,
        f"tcp UNKNOWN :::49668 {ANY6} File Server[640]",
        f"udp UNCONN :::5985 {ANY6}",
    ),
    "powershell-process": (
        POWERSHELL_PROCESS,
        f"tcp LISTEN :::49671 {ANY6} services[None]",
        f"tcp LISTEN 0.0.0.0:445 {ANY} ?[4]",
    ),
    "powershell-list": (
        POWERSHELL_LIST,
        f"tcp LISTEN :::11434 {ANY6} svchost[984]",
        f"udp UNCONN 0.0.0.0:123 {ANY} svchost[3724]",
    ),
}


@pytest.mark.parametrize("name", READ)
def test_every_row_is_read(name: str) -> None:
    text, *expected = READ[name]
    rows, unreadable = read(text)
    assert sorted(rows) == sorted(expected)
    assert unreadable == []


# What a line becomes; the number of the line that is reported for it.
DAMAGED = [
    (FREEBSD_QUEUES, "192.0.2.1.80", "", 3),
    (OPENBSD_FSTAT, "0x0 192.0.2.5:22 <-- 192.0.2.9:50522", "0x0", 7),
    (OPENBSD_FSTAT, "<-- 192.0.2.9:50522", "<-- 192.", 7),
    (LSFD, "laddr=192.0.2.1:23456", "laddr=", 5),
    (ZOS_SHORT, "127.0.0.1..1025        127.0.0.1..1026 ", "127.0.0.1..1025 ", 5),
    (ZOS_LONG, "  Foreign Socket: ::..0\n", "", 6),
    (ZOS_LONG, "WEB001   000012D9 Listen\n", "", 6),
    (IOS, "192.0.2.4.52429 ", "", 3),
    (NXOS, "                 management   96        192.0.2.9(59879)\n", "", 6),
    (ASA, "192.0.2.3:50233", "192.0.2", 3),
    (NONSTOP, "192.0.2.2 11089 0 0", "192.0.2.2", 5),
]


@pytest.mark.parametrize(("text", "part", "instead", "number"), DAMAGED)
def test_a_damaged_row_is_reported(
    text: str, part: str, instead: str, number: int
) -> None:
    assert text.count(part) >= 1
    whole, _ = read(text)
    rows, unreadable = read(text.replace(part, instead, 1))
    assert set(rows) < set(whole)
    assert number in unreadable


@pytest.mark.parametrize("name", [n for n in READ if "\n" in READ[n][0].strip()])
def test_no_damage_loses_a_row_in_silence(name: str) -> None:
    lines = READ[name][0].split("\n")
    rows, _ = read("\n".join(lines))
    tried = 0
    for number, line in enumerate(lines):
        blank = [*lines[:number], "", *lines[number + 1 :]]
        left, _ = read("\n".join(blank))
        if not line.strip() or len(left) != len(rows) - 1:
            continue
        for wrong in damaged(line):
            if len(wrong.split()) < 2:  # nothing tells what one word was
                continue
            found, unreadable = read(
                "\n".join([*lines[:number], wrong, *lines[number + 1 :]])
            )
            tried += 1
            assert unreadable or len(found) >= len(rows), wrong
    assert tried > 5
