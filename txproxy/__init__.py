"""A reverse proxy on Twisted, steered by one YAML route map.

Rule: importing this package imports no floor and no Twisted; what programs embed is loaded on first use.
"""

__version__ = "0.1.0"
