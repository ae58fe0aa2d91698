"""Socket states of this machine, in the words of RFC 9293."""

from tcpstates.states import TcpState

__all__ = ["TcpState", "__version__"]

__version__ = "0.1.0"
