"""What one member says of one kind, applied to the merged cache, and how fresh that makes the copy.

Driven by a reflector (lists and watches) and by the write path (answers of the member to our own writes). Pure: it
neither reads from the member nor waits.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence

from cache.cached_object import CachedObject
from cache.checkpoints import MemberPosition, identity_digest
from cache.encoded_object import Encoded, MalformedObject
from cache.freshness import ClusterFreshness
from cache.observed_object import ObservedObject
from cache.resource_version import is_older, member_order
from cache.watch_cache import WatchCache
from cache.watch_event import DELETED

_logger = logging.getLogger(__name__)
_COMPLAINT_PERIOD = 60.0
"""Seconds between two lines in the log about objects that cannot be read."""


class Regressed(Exception):
    """A member's watch went back in time: it was restored or replaced, and must be listed anew."""


class MemberFeed:
    """The state of one member's feed of one kind.

    Mutable state: `reached` (the member's version up to which everything was applied), the freshness facts, and, while
    a list is read, which keys it had and which of our own writes happened meanwhile.
    """

    def __init__(self, cluster: str, cache: WatchCache, now: Callable[[], float]) -> None:
        """`now` gives seconds since the epoch."""
        self.cluster = cluster
        self._cache = cache
        self._now = now
        self.started = now()
        self.reached = ""
        self.synced = False
        self.error = ""
        self.overfull = False
        """Whether it has too much to be read."""
        self.identity = ""
        """What is known of which cluster this is, such as its address; a feed of another one must not be resumed."""
        self.recovered = False
        """Whether all that is known is from the run before."""
        self._resumed_at = ""  # the member's version when its feed was resumed, until it is reached
        self._expected: int | None = None  # how many objects it had at that version, as far as that can be told
        self._unreadable: int | None = 0  # how many of its objects are not in the cache; None when not known
        self._unreachable = ""  # what a health probe says, which may know before the watch does
        self._last_contact = 0.0
        self._confirmed = 0.0
        self._listed_at = 0.0
        self._highest: int | None = 0  # no later version of the member was applied; None when that is not known
        self._stale_since: float | None = None
        self._listed: set[str] | None = None
        self._applying = False  # whether a list was applied in part
        self._listed_up_to = ""  # the version of a list that was read to its end and is not applied to its end yet
        self._written: dict[str, str] = {}
        self._complained = float("-inf")

    def recover(self, reached: str, last_contact: float, identity: str) -> None:
        """Go on where the feed of the run before ended. Its objects are in the cache; they are stale from then on."""
        self.reached = reached
        self.identity = identity
        self.recovered = self.synced = bool(reached)
        self._highest = None if reached else 0
        self._last_contact = last_contact
        self._stale_since = last_contact or None

    def identify(self, identity: str) -> None:
        """This is how the member is known now; one that was known otherwise has to be listed."""
        if self.recovered and self.identity != identity:
            self.reached = ""
        self.identity = identity

    @property
    def resumes_from(self) -> str:
        """The member's version from which a first watch may go on; empty when it has to be listed."""
        return self.reached if self.recovered else ""

    def asks(self) -> None:
        """The member is asked now for the version it has come to; `resumed_at` is its answer."""
        self._cache.resumption.takeovers.asked(self.cluster)

    def resumed_at(self, resource_version: str, count: int | None = None) -> None:
        """The member is still the one that is known, and had come to this version when its watch was resumed.

        It had so many objects then. Raises Regressed, now or as soon as the watch is there, when that does not fit:
        a member restored from a backup may have come beyond the versions it had before, with other events.
        """
        self._resumed_at, self._expected = resource_version, count
        if self._highest is None:
            self._highest = member_order(resource_version)
        self._note_catching_up()

    def _note_catching_up(self) -> None:
        if self._resumed_at and (self.reached == self._resumed_at or is_older(self._resumed_at, self.reached)):
            self._resumed_at = ""
            self._check_count()
            self._cache.resumption.caught_up(self.cluster)

    def _check_count(self) -> None:
        expected, self._expected = self._expected, None
        if expected is None or self._unreadable is None:
            return
        known = self._cache.objects.count_of(self.cluster) + self._unreadable
        if known != expected:
            raise Regressed(f"{expected} objects where {known} are known")

    # A complete list

    def begin_list(self) -> None:
        """A complete list begins, whatever was read before of an unfinished one."""
        self._listed = set()
        self._listed_up_to = ""
        self._written = {}
        self._unreadable = 0

    def list_items(self, items: Iterable[Encoded]) -> None:
        """Apply objects of the list. What was written through the gateway meanwhile is not undone by it."""
        assert self._listed is not None, "begin_list comes first"  # noqa: S101  (a fault of ours)
        self._applying = True
        listed = []
        for item in items:
            observed = self._read(item)
            if observed is None:
                self._unreadable = (self._unreadable or 0) + 1
                continue
            self._listed.add(observed.key)
            written = self._written.get(observed.key)
            if written is None or not is_older(observed.member_rv, written):
                listed.append(observed)
        self._cache.observe_list(self.cluster, listed)

    def unlisted(self, resource_version: str) -> list[str]:
        """The keys that are no longer there, once the list of that version was read to its end."""
        listed = self._listed or ()
        self._listed_up_to = resource_version
        return [
            key
            for key in self._cache.objects.keys_of(self.cluster)
            if key not in listed and not is_older(resource_version, self._written.get(key, ""))
        ]

    def forget(self, keys: Iterable[str]) -> None:
        """Apply that unlisted objects are gone, but for those that were written since."""
        for key in keys:
            self._applying = True
            if not is_older(self._listed_up_to, self._written.get(key, "")):
                self._cache.forget(self.cluster, key)

    def end_list(self, resource_version: str) -> None:
        """The list is complete and applied."""
        self._listed = None
        self._listed_up_to = ""
        self._applying = False
        written, self._written = self._written, {}
        if resource_version or self.reached or not self.synced:
            # What came and went before the list was never seen.
            self._cache.resumption.missed(self.cluster)
            self._listed_at = self._now()
            self._highest = member_order(resource_version or "0")
            for version in written.values():
                self._note_highest(version)
        self._resumed_at, self._expected = "", None
        self.reached = resource_version
        self.synced = True
        self.contact()

    # A watch

    def event(self, event_type: str, encoded: Encoded) -> None:
        """Apply one event. Raises Regressed when its version is lower than what was seen before."""
        observed = self._read(encoded)
        if observed is None:
            self._unreadable = None
            return
        if is_older(self._resumed_at, observed.member_rv):
            self._check_count()  # what follows was not there yet when its objects were counted
        self._advance(observed.member_rv)
        self._note_highest(observed.member_rv)
        if event_type == DELETED:
            self._cache.forget(self.cluster, observed.key, observed.uid)
        else:
            self._cache.observe(self.cluster, observed)
        self._note_catching_up()

    def progress(self, resource_version: str) -> None:
        """Everything up to this version was seen. Raises Regressed when more was seen before."""
        self._advance(resource_version)
        self._note_catching_up()

    def _advance(self, resource_version: str) -> None:
        if is_older(resource_version, self.reached):
            raise Regressed(f"version {resource_version} after {self.reached}")
        self.reached = resource_version or self.reached

    def has_reached(self, resource_version: str) -> bool:
        """Whether everything up to a version of the member was seen."""
        return bool(self.reached) and not is_older(self.reached, resource_version)

    def _is_past(self, resource_version: str) -> bool:
        """Whether the answer to a write of that version is no news, by the watch or by the list that is applied."""
        up_to = self._listed_up_to
        return self.has_reached(resource_version) or (bool(up_to) and not is_older(up_to, resource_version))

    def agrees_with(self, resource_version: str, items: Sequence[Encoded]) -> bool:
        """Whether a sample of the member's objects, read at a version, fits what is known up to `reached`.

        A lower version, or an old object that is not known in that state, are those of another history.
        """
        if is_older(resource_version, self.reached):
            return False
        for item in items:
            observed = self._read(item)
            if observed is None or is_older(self.reached, observed.member_rv):
                continue
            known = self._cache.objects.of_member(self.cluster, observed.key)
            if known is None or known.uid != observed.uid:
                return False
            if is_older(self.reached, known.member_rv):
                continue  # written through the gateway since
            if known.member_rv != observed.member_rv or not observed.is_served_as(known):
                return False
        return bool(items) or not self._cache.objects.count_of(self.cluster)

    # Our own writes

    @property
    def absent(self) -> bool:
        """Whether the member has none of it, or has to be listed before anything is known: an answer may be old."""
        return self.synced and not self.reached and self._listed is None

    def written(self, observed: ObservedObject) -> CachedObject | None:
        """Apply what the member answered to a write; its later watch event is then no news.

        Returns the object as it is served, or None when the feed is past that state already: applying it then could
        bring back what is deleted.
        """
        if self.absent:
            return None
        if self._is_past(observed.member_rv):
            known = self._cache.objects.of_member(self.cluster, observed.key)
            current = known and known.uid == observed.uid and known.member_rv == observed.member_rv
            return known if current else None
        self._expected = None
        # Answers overtake each other: that to a deletion may come after that to the creation of the successor.
        if self._listed is not None and not is_older(observed.member_rv, self._written.get(observed.key, "")):
            self._written[observed.key] = observed.member_rv
        self._note_highest(observed.member_rv)
        return self._cache.observe_ahead(self.cluster, observed)

    # Other replicas

    def _note_highest(self, resource_version: str) -> None:
        if self._highest is not None:
            version = member_order(resource_version)
            self._highest = None if version is None else max(self._highest, version)

    def position(self) -> MemberPosition | None:
        """How far the member was read, as other replicas are told; None when it cannot be said."""
        low = member_order(self.reached or "0")
        if low is None or self._highest is None or self._applying:
            return None
        confirmed, listed = int(self._confirmed), int(self._listed_at)
        return MemberPosition(identity_digest(self.identity), low, self._highest, confirmed, listed)

    # Freshness

    def heard(self) -> None:
        """The member was heard from."""
        self._last_contact = self._now()

    def contact(self) -> None:
        """The member was heard from and the feed is in order."""
        self.heard()
        self._confirmed = self._now()
        self.recovered = False
        self.error, self.overfull = "", False
        self._stale_since = None

    def failed(self, error: str, *, overfull: bool = False) -> None:
        """The feed is broken, or the member has too much; what is known grows old from the last contact on."""
        self.error, self.overfull = error, overfull
        if self._stale_since is None:
            self._stale_since = self._last_contact or self.started

    def probed(self, fault: str) -> bool:
        """Take what a health probe found (empty: the member answers). Returns whether it came back just now."""
        returned = bool(self._unreachable) and not fault
        self._unreachable = fault
        return returned

    def keys(self) -> Sequence[str]:
        """The keys of all its objects, under its own names."""
        return self._cache.objects.keys_of(self.cluster)

    def size_of(self, keys: Iterable[str]) -> int:
        """How many bytes these objects have."""
        known = (self._cache.objects.of_member(self.cluster, key) for key in keys)
        return sum(obj.size for obj in known if obj is not None)

    @property
    def last_contact(self) -> float:
        """When the member was heard from last, in seconds since the epoch; 0 for never."""
        return self._last_contact

    @property
    def current(self) -> bool:
        """Whether it was read by this run."""
        return self.synced and not self.recovered

    @property
    def settled(self) -> bool:
        """Whether there is nothing to wait for: read, or known not to answer."""
        return self.current or bool(self.error or self._unreachable)

    @property
    def stale(self) -> bool:
        """Whether its `freshness` says that its objects may be out of date."""
        return not self.synced or self._stale_since is not None or bool(self._unreachable)

    def freshness(self) -> ClusterFreshness:
        """The facts for warnings, health and metrics."""
        stale_since = self._stale_since
        if stale_since is None and self._unreachable:
            stale_since = self._last_contact or self.started
        return ClusterFreshness(
            name=self.cluster,
            synced=self.synced,
            last_contact=self._last_contact,
            stale_since=stale_since,
            objects=self._cache.objects.count_of(self.cluster),
            error=self.error or self._unreachable,
            overfull=self.overfull,
        )

    def _read(self, encoded: Encoded) -> ObservedObject | None:
        try:
            return ObservedObject(encoded)
        except MalformedObject as fault:
            # One bad object must not cost all the others of its member, nor many of them the log.
            if self._now() >= self._complained + _COMPLAINT_PERIOD:
                self._complained = self._now()
                _logger.warning("member %s sent %s", self.cluster, fault)
            return None
