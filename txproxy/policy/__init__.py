"""Decisions as plain objects that are fed values: balancing, trust, forwarding fields, names.

Rule: nothing in here imports Twisted, OpenSSL, socket or asyncio, or any floor above `model`.
"""
