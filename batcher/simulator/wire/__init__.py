"""HTTP/1.1 on a socket, and server-sent events."""
