"""What an operator reads afterwards: access log, request ids, counters."""
