"""Values, errors, and the seams that the floors talk through.

Rule: nothing in here imports Twisted, OpenSSL, socket or asyncio, or any other floor of txproxy.
"""
