"""Makes `txproxy` a command of twistd and twist, and `uvloop` a reactor of theirs.

Rule: every run of twistd may import every plugin, so this module imports nothing of txproxy.
"""

from twisted.application.reactors import Reactor
from twisted.application.service import ServiceMaker

txproxy = ServiceMaker("txproxy", "txproxy.service.plugin", "A reverse proxy from a YAML route map.", "txproxy")
uvloop = Reactor("uvloop", "txproxy.reactor.uv", "uvloop, with connections on its own transports.")
