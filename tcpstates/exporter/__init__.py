"""A Prometheus exporter: what the sockets are in, by port, with zeros and without gaps.

`scan` counts, `ends` adds up what has ended, `collector` turns both into the metrics of
`tcpstates.metrics`, and `server` answers. It needs the package prometheus_client; pip
installs it with tcpstates[exporter].
"""
