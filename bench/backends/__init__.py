"""The backends of our own, for what nginx cannot answer cheaply: uploads read to their end, WebSocket echo.

Rule: they are plain epoll loops, because what they cost is taken from the load generator's core.
"""
