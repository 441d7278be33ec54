"""Decisions without I/O: balancing, trust, forwarded fields, what may be repeated; pure."""
