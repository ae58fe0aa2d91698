"""A Prometheus exporter: what the sockets are in, by port, with zeros and without gaps.

`definitions` names every metric once, `scan` counts, `ends` adds up what has ended,
`collector` turns both into metrics, and `server` answers. It needs the package
prometheus_client: pip install 'tcpstates[exporter]'.
"""
