"""What changes: sockets that open, change their state and end."""
