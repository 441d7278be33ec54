"""Fuzz harnesses for what reads bytes that others chose: ``python -m fuzz request`` and its neighbours.

Rule: a harness is a function of bytes that returns, or raises what nobody documented. Without atheris
it can be called by hand and by tests; with it (``pip install atheris``) it runs for as long as one lets
it: ``python -m fuzz request -max_total_time=600 corpus/``.
"""
