"""Keeps the certificates in force as they are on disk.

Rule: what has been good is served until something better is there. A file that changes is loaded when it has looked
the same twice, so that nobody is told of pairs that are half written; what then is still wrong is told once for each
state of the files, and touches no other pair. Connections that are open keep what they have.

Polling, not inotify: it sees a link that is turned far above the file (certbot, Kubernetes), network and overlay file
systems, and files that come into being later, all in the same way; a look at a hundred files takes 1.2 ms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from operator import itemgetter

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from txproxy.config.model import CertificateFiles, Tls
from txproxy.config.problem import Where

from .certificate import Certificate, CertificateError
from .internal_ca import InternalCa, open_internal_ca, state_directory
from .sources import Pair, PairState, pair_of, pairs_in, state_of
from .store import CertificateStore
from .watched import Verdict, Watched

# Two looks, and a third for a file that is written between them, are 1.5 seconds: a renewal serves within two.
PERIOD = 0.5
# Who renews by a program does so when 30 days are left (certbot, acme.sh): with so few, it does not work.
WARN_DAYS = 14
_DAY_SECONDS = 86400.0


class CertificateErrors(CertificateError):
    """Why certificates cannot be used, a line each.

    :ivar problems: for each, where the map names it, and its sentence; in the order of the map.
    """

    def __init__(self, problems: Iterable[tuple[Where, str]]) -> None:
        self.problems = sorted(problems, key=itemgetter(0))
        super().__init__("\n".join(sentence for _, sentence in self.problems))


class Watcher:
    """Loads the certificates of a map, and loads them anew when their files change.

    :param tls: names them.
    :param store: is given them.
    :param clock: Twisted's reactor.
    :param now: gives the time, aware of its zone.
    :param internal: the development CA of the store, if it has one.
    :param on_swap: called whenever the store holds other certificates than before.

    :ivar store: as given.
    """

    _log = Logger()

    def __init__(
        self,
        tls: Tls,
        store: CertificateStore,
        clock: IReactorTime,
        now: Callable[[], datetime],
        *,
        internal: InternalCa | None = None,
        on_swap: Callable[[], object] = lambda: None,
    ) -> None:
        self.store = store
        self._tls = tls
        self._clock = clock
        self._now = now
        self._internal = internal
        self._on_swap = on_swap
        self._watched: dict[str, Watched] = {}
        # What each directory held when it could be read the last time, and what was told when it could not.
        self._listed: dict[str, list[Pair]] = {}
        self._unlisted: dict[str, str] = {}
        self._next: IDelayedCall | None = None
        self._next_day = 0.0

    def load(self) -> None:
        """Load everything for the first time.

        :raises CertificateErrors: with a sentence for each certificate that cannot be served.
        :raises CertificateError: what the map says of them all does not fit them.
        """
        wrong = self._list()
        now = self._now()
        for pair in self._pairs():
            watched = self._watched[pair.cert] = Watched(pair)
            verdict = watched.judge(state_of(pair), now)
            self._tell_notes(verdict)
            if verdict.problem:
                wrong.append((pair.where, verdict.problem))
        if wrong:
            raise CertificateErrors(wrong)
        self.store.swap(self._certificates(), now)
        if self._tls.default is not None and not self.store.default():
            raise CertificateError(
                f"tls.default is {self._tls.default}, and no certificate is for it: name one that there is"
            )

    def start(self) -> None:
        """Tell what is in force, and begin to look."""
        now = self._now()
        for certificate in self._certificates():
            self._tell_days(certificate, now)
        self._tell_root(now)
        self._next_day = self._clock.seconds() + _DAY_SECONDS
        self._next = self._clock.callLater(PERIOD, self._turn)

    def stop(self) -> None:
        """Look no more."""
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def _turn(self) -> None:
        # First, so that a failure of what `on_swap` calls ends nothing but this look.
        self._next = self._clock.callLater(PERIOD, self._turn)
        now = self._now()
        for _, problem in self._list():
            self._log.error("{problem}; what was loaded from it stays in force", problem=problem)
        if self._clock.seconds() >= self._next_day:
            self._next_day = self._clock.seconds() + _DAY_SECONDS
            self._tell_soon(now)
        changed = self._look(now)
        if self._tell_expired(now) or changed:
            self.store.swap(self._certificates(), now)
            self._on_swap()

    def _look(self, now: datetime) -> bool:
        """Look at every pair; tell whether any certificate has changed, come or gone."""
        changed = False
        there = list(self._pairs())
        # Of a directory that cannot be read one line is enough.
        hidden = {pair for directory in self._unlisted for pair in self._listed.get(directory, ())}
        for pair in there:
            if pair in hidden:
                continue
            watched = self._watched.get(pair.cert)
            if watched is None:
                watched = self._watched[pair.cert] = Watched(pair)
            state = state_of(pair)
            if watched.look(pair, state, now):
                changed = self._judge(watched, state, now) or changed
        for cert in self._watched.keys() - {pair.cert for pair in there}:
            changed = self._miss(cert) or changed
        return changed

    # Which pairs.

    def _list(self) -> list[tuple[Where, str]]:
        """Read the directories anew; give where and what is wrong with them and has not been given before."""
        wrong = []
        for entry in self._tls.certificates:
            if isinstance(entry, CertificateFiles):
                continue
            try:
                self._listed[entry.directory] = pairs_in(entry)
                self._unlisted.pop(entry.directory, None)
            except CertificateError as error:
                if self._unlisted.get(entry.directory) != str(error):
                    self._unlisted[entry.directory] = str(error)
                    wrong.append((entry.where, str(error)))
        return wrong

    def _pairs(self) -> Iterable[Pair]:
        """Give each pair once; what is named by itself comes before what is found."""
        pairs: dict[str, Pair] = {}
        for entry in self._tls.certificates:
            if isinstance(entry, CertificateFiles):
                pairs.setdefault(entry.cert, pair_of(entry))
        for listed in self._listed.values():
            for pair in listed:
                pairs.setdefault(pair.cert, pair)
        return pairs.values()

    # What is in force.

    def _certificates(self) -> list[Certificate]:
        return [watched.certificate for watched in self._watched.values() if watched.certificate is not None]

    def _judge(self, watched: Watched, state: PairState, now: datetime) -> bool:
        """Load a pair; tell whether what is in force changes."""
        verdict = watched.judge(state, now)
        self._tell_notes(verdict)
        certificate = watched.certificate
        if verdict.problem:
            stays = "it is not in force" if certificate is None else f"the one before stays for {certificate.title}"
            self._log.error("{problem}; {stays}", problem=verdict.problem, stays=stays)
        if verdict.changed and certificate is not None:
            self._tell_days(certificate, now)
        return verdict.changed

    def _miss(self, cert: str) -> bool:
        """Take notice that a directory holds a file no longer; tell whether what is in force changes."""
        watched = self._watched[cert]
        if not watched.miss():
            return False
        del self._watched[cert]
        if watched.certificate is None:
            return False
        self._log.info(
            "{file} is gone: it is in force no longer for {title}", file=cert, title=watched.certificate.title
        )
        return True

    # What is told.

    def _tell_notes(self, verdict: Verdict) -> None:
        for finding in verdict.findings:
            self._log.warn("{finding}", finding=finding)
        if verdict.passed_over:
            self._log.info("passed over: {why}", why=verdict.passed_over)

    def _tell_days(self, certificate: Certificate, now: datetime) -> None:
        days = certificate.days_left(now)
        tell = self._log.warn if days < WARN_DAYS else self._log.info
        tell(
            "in force for {title}: {kind} certificate from {source}, {days} days left",
            title=certificate.title,
            kind=certificate.kind,
            source=certificate.source,
            days=days,
        )

    def _tell_soon(self, now: datetime) -> None:
        for certificate in self._certificates():
            if certificate.days_left(now) < WARN_DAYS:
                self._tell_days(certificate, now)
        if self._internal is not None and self._internal.days_left(now) < WARN_DAYS:
            self._tell_root(now)

    def _tell_root(self, now: datetime) -> None:
        if self._internal is None:
            return
        days = self._internal.days_left(now)
        tell = self._log.warn if days < WARN_DAYS else self._log.info
        tell("development certificates are issued by {path}, {days} days left", path=self._internal.path, days=days)

    def _tell_expired(self, now: datetime) -> bool:
        """Tell of each certificate that has expired since the last look."""
        expired = [watched for watched in self._watched.values() if watched.expires(now)]
        for watched in expired:
            self._log.error(
                "{certificate} has expired, and clients refuse it: renew it", certificate=watched.certificate
            )
        return bool(expired)


def open_certificates(
    tls: Tls,
    state: str | None,
    clock: IReactorTime,
    now: Callable[[], datetime],
    environ: Mapping[str, str],
    *,
    on_swap: Callable[[], object] = lambda: None,
) -> Watcher:
    """Make the store of a map, and what keeps it, with everything loaded.

    :param state: the map's `state`.
    :param clock: Twisted's reactor.
    :param now: gives the time, aware of its zone.
    :param environ: for the state directory, where the map names none.
    :param on_swap: see `Watcher`.
    :raises CertificateErrors: see `Watcher.load`.
    :raises CertificateError: see there, or the development CA cannot be had.
    """
    internal = None
    if tls.internal:
        internal = open_internal_ca(state_directory(state, environ), tls.internal, now)
    watcher = Watcher(tls, CertificateStore(tls.default, internal), clock, now, internal=internal, on_swap=on_swap)
    watcher.load()
    return watcher
