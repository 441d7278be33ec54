"""Bound sockets, and which protocol a connection on them speaks."""
