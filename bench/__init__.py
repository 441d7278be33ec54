"""The benchmark: txproxy beside nginx, HAProxy, Caddy and the stock proxy of Twisted, in one run.

Rule: only what was measured side by side is compared. Machines are noisy, so figures of two runs, or
of two machines, say nothing about each other; the ratio to nginx within one round does.
"""
