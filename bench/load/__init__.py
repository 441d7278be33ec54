"""The load generators: wrk for HTTP, one of our own for WebSocket.

Rule: each runs as a child process for a bounded time and says in one line of JSON what came back;
see `result.Load`.
"""
