"""Network namespaces: find them, name them, and open sockets in them."""
