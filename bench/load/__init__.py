"""The load generators: wrk for HTTP under full load, and of our own what it cannot do.

Rule: each that makes load runs as a child process for a bounded time and says in one line of JSON what
came back; see `result.Load`. `idle` makes none, and runs where the memory is read.
"""
