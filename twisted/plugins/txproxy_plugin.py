"""Makes `txproxy` a command of twistd and twist.

Rule: every run of twistd may import every plugin, so this module imports nothing of txproxy.
"""

from twisted.application.service import ServiceMaker

txproxy = ServiceMaker("txproxy", "txproxy.service.plugin", "A reverse proxy from a YAML route map.", "txproxy")
