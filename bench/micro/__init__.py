"""Timing of single functions of the hot path: ``python -m bench.micro``.

Rule: one module for each subject, and each has a function `subjects` that gives what is to be timed
by name. A module that cannot be imported is skipped with the reason, and the rest is still timed.
"""
