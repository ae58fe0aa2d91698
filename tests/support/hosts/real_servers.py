"""Real servers on one of two hosts, configured as they are in production, but small."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from support.hosts.two_hosts import SERVER, Host, children, until

NGINX, PROXY, APP, REDIS, POSTGRES, SSH = 8080, 8081, 8001, 6379, 5432, 2222
SLOW_APP = 8002
BIG = "/big"
_NGINX = """
worker_processes 2;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  keepalive_timeout {keepalive};
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen {address}:{port} backlog={backlog};
    root {folder}/www;
    location /app {{ proxy_pass http://{upstream}; proxy_connect_timeout 60; }}
    location /ws {{
      proxy_pass http://{upstream}; proxy_http_version 1.1;
      proxy_set_header Upgrade websocket; proxy_set_header Connection upgrade;
    }}
  }}
}}
"""
_HAPROXY = """
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend f
  bind {address}:{port}
  default_backend b
backend b
  server s {address}:{backend}
"""
_APP = """
import time
def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path.startswith("/sleep"):
        time.sleep(float(path.removeprefix("/sleep")))
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""


def nginx(
    host: Host,
    folder: Path,
    *,
    port: int = NGINX,
    backlog: int = 511,
    keepalive: str = "75s",
    upstream: str = f"{SERVER}:{APP}",
) -> subprocess.Popen[bytes]:
    """Serve a small file, a big one, and an upstream; two workers and a master."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "www").mkdir(exist_ok=True)
    (folder / "www" / "index.html").write_text("ok\n")
    with (folder / "www" / BIG[1:]).open("wb") as big:
        big.truncate(500_000_000)  # of zeros; it takes no room
    for part in (folder, *folder.parents):
        if part.stat().st_uid == os.getuid() and not part.stat().st_mode & 0o001:
            part.chmod(part.stat().st_mode | 0o711)  # the workers are nobody
    text = _NGINX.format(
        folder=folder,
        address=SERVER,
        port=port,
        backlog=backlog,
        keepalive=keepalive,
        upstream=upstream,
    )
    (folder / "nginx.conf").write_text(text)
    started = host.start(
        "nginx", "-e", f"{folder}/nginx.log", "-c", f"{folder}/nginx.conf",
        "-g", "daemon off;",
    )  # fmt: skip
    until(lambda: len(children(started.pid)) >= 2)
    return started


def redis(host: Host, *, port: int = REDIS) -> subprocess.Popen[bytes]:
    """A Redis without a password and without files."""
    started = host.start(
        *("redis-server", "--bind", SERVER, "--port", str(port), "--save", ""),
        *("--protected-mode", "no"),
    )
    _listens(host, port)
    return started


def gunicorn(
    host: Host,
    folder: Path,
    *,
    port: int = APP,
    workers: int = 2,
    backlog: int = 2048,
    bind: str = "",
) -> subprocess.Popen[bytes]:
    """A WSGI server; /sleep30 takes 30 seconds to answer."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "app.py").write_text(_APP)
    address = bind or f"{SERVER}:{port}"
    started = host.start(
        *("/usr/bin/gunicorn", "-w", str(workers), "--backlog", str(backlog)),
        *("-b", address, "--timeout", "120", "--graceful-timeout", "1", "app:app"),
        cwd=folder,
    )
    until(lambda: len(children(started.pid)) >= workers)
    if not bind:
        _listens(host, port)
    return started


def haproxy(host: Host, folder: Path) -> subprocess.Popen[bytes]:
    """A proxy in front of nginx."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "haproxy.cfg"
    path.write_text(_HAPROXY.format(address=SERVER, port=PROXY, backend=NGINX))
    started = host.start("haproxy", "-db", "-f", str(path))
    _listens(host, PROXY)
    return started


def sshd(host: Host, folder: Path) -> subprocess.Popen[bytes]:
    """An OpenSSH server, with a key for root in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    for name in ("host", "key"):
        if not (folder / name).exists():
            made = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f"]
            subprocess.run([*made, str(folder / name)], check=True)
    shutil.copy(folder / "key.pub", folder / "authorized")
    Path("/run/sshd").mkdir(exist_ok=True)
    options = {
        "ListenAddress": f"{SERVER}:{SSH}",
        "HostKey": f"{folder}/host",
        "AuthorizedKeysFile": f"{folder}/authorized",
        "PermitRootLogin": "yes",
        "StrictModes": "no",
        "UsePAM": "no",
        "PidFile": "none",
    }
    (folder / "sshd_config").write_text(
        "".join(f"{name} {value}\n" for name, value in options.items())
    )
    started = host.start("/usr/sbin/sshd", "-D", "-f", f"{folder}/sshd_config")
    _listens(host, SSH)
    return started


def ssh_command(folder: Path) -> list[str]:
    """Return how to log in to that server."""
    return [
        *("ssh", "-i", f"{folder}/key", "-p", str(SSH), "-o", "BatchMode=yes"),
        *("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"),
        f"root@{SERVER}",
    ]


def postgres(host: Host, folder: Path, *, connections: int = 100) -> None:
    """A PostgreSQL without a password; its user is postgres."""
    programs = postgres_programs()
    assert programs is not None
    data = folder / "postgres"
    data.mkdir(parents=True)
    for part in (data, *data.parents):
        if part.stat().st_uid == os.getuid() and not part.stat().st_mode & 0o001:
            part.chmod(part.stat().st_mode | 0o711)
    shutil.chown(data, "postgres", "postgres")
    data.chmod(0o700)
    become = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    subprocess.run(
        [*become, programs / "initdb", "-A", "trust", "-N", "-D", data],
        check=True,
        stdout=subprocess.DEVNULL,
        cwd="/",
    )
    (data / "pg_hba.conf").write_text("host all all 10.9.0.0/24 trust\n")
    host.start(
        *(*become, str(programs / "postgres"), "-D", str(data), "-h", SERVER),
        *("-p", str(POSTGRES), "-k", "", "-c", f"max_connections={connections}"),
        *("-c", "fsync=off"),
        cwd="/",
    )
    _listens(host, POSTGRES)
    until(lambda: psql(host, "select 1").returncode == 0)


def psql(host: Host, statement: str) -> subprocess.CompletedProcess[str]:
    """Run a statement to its end."""
    return host.run(*psql_command(), "-c", statement)


def psql_command() -> list[str]:
    """Return how to talk to that PostgreSQL."""
    return ["psql", "-q", "-h", SERVER, "-p", str(POSTGRES), "-U", "postgres"]


def postgres_programs() -> Path | None:
    """Return the folder of the newest PostgreSQL; None: there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


def _listens(host: Host, port: int) -> None:
    until(lambda: host.count("-l", f"sport = :{port}"))
