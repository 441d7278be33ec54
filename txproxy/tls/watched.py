"""One pair of files over time: how it looked, and the certificate that it gave.

Rule: a state of the files is judged when it has been seen twice in a row, and once, unless time alone may change the
verdict. A certificate that was good stays until a better one is there.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from .certificate import Certificate, CertificateError, NotForServers
from .certificate_files import load
from .sources import Pair, PairState

# Looks in a row. Some renew by removing both files, and writing one after the other.
GONE_AFTER = 3
# Time stands still in file systems, 4 ms on ext4, up to a second elsewhere: what is written in place, in the same
# size, just after it was loaded, looks the same. So what is as young as this is loaded once more, this much later.
RECHECK = timedelta(seconds=1.5)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a look into the files.

    :ivar changed: there is another certificate than before.
    :ivar problem: why there is none; "": there is one, or that was said before.
    :ivar findings: sentences that are worth a warning and have not been said before.
    :ivar passed_over: why it is no certificate of a server, and need not be one; "": it is, or that was said before.
    """

    changed: bool = False
    problem: str = ""
    findings: tuple[str, ...] = ()
    passed_over: str = ""


class Watched:
    """A pair that is looked at.

    :ivar pair: the files.
    :ivar certificate: what is in force; None: nothing that these files held could be.
    """

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.certificate: Certificate | None = None
        self._seen: PairState | None = None
        self._judged: PairState | None = None
        self._said: object = None
        # When what was wrong may be right although no file changes.
        self._again: datetime | None = None
        self._findings: tuple[str, ...] = ()
        self._misses = 0
        self._has_expired = False

    def look(self, pair: Pair, state: PairState, now: datetime) -> bool:
        """Take notice of the files; tell whether it is time to judge them.

        :param pair: with the key's file as it is now: one may have come into being.
        """
        self.pair = pair
        self._misses = 0
        settled = state == self._seen
        self._seen = state
        if state == self._judged:
            return self._again is not None and self._again <= now
        return settled

    def miss(self) -> bool:
        """Take notice that the file is not there; tell whether that has been so for long enough to mean it."""
        self._misses += 1
        return self._misses >= GONE_AFTER

    def judge(self, state: PairState, now: datetime) -> Verdict:
        """Look into the files, whose state was this just before."""
        is_new = state != self._judged
        self._seen = self._judged = state
        self._again = now + RECHECK if is_new and _is_young(state, now) else None
        try:
            loaded = load(self.pair.cert, self.pair.key, now)
        except CertificateError as error:
            self._again = error.again or self._again
            return self._refuse(error, state)
        self._said = None
        findings = tuple(finding for finding in loaded.findings if finding not in self._findings)
        self._findings = loaded.findings
        before = self.certificate
        if before is not None and before.chain == loaded.chain and before.source == loaded.source:
            return Verdict(findings=findings)
        self.certificate = loaded
        self._has_expired = False
        return Verdict(changed=True, findings=findings)

    def expires(self, now: datetime) -> bool:
        """Tell, once, that what is in force has expired."""
        had_expired = self._has_expired
        self._has_expired = self.certificate is not None and self.certificate.not_after <= now
        return self._has_expired and not had_expired

    def _refuse(self, error: CertificateError, state: PairState) -> Verdict:
        sentence = str(error)
        if self._said == (state, sentence):
            return Verdict()
        self._said = (state, sentence)
        # What holds a certificate no longer may be half written: then it is a fault.
        if isinstance(error, NotForServers) and self.pair.found and self.certificate is None:
            return Verdict(passed_over=sentence)
        return Verdict(problem=sentence)


def _is_young(state: PairState, now: datetime) -> bool:
    _, *files = state
    return any(now.timestamp() - max(file[-2:]) / 1e9 < RECHECK.total_seconds() for file in files if file is not None)
