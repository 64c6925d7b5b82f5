"""How large a fleet is, and how a gateway keeps its objects: what one trial of the series is about."""

import re
from dataclasses import dataclass
from typing import Self

HOT = 1_000_000
"""Megabytes that nothing reaches: no object is compressed."""
MEMBERS = 4
"""So many, where a size does not say."""

SERIES = (
    *("1000", "10000", "50000", "200000", "1000000x10:0"),
    *("20000x1", "20000x20", "20000x200"),
)
"""From a thousand Pods to a million, and from one member to two hundred."""

_FORM = re.compile(r"(?P<pods>\d+)(?:x(?P<members>\d+))?(?::(?P<megabytes>\d+|all))?")


@dataclass(frozen=True, order=True)
class Size:
    """One trial."""

    pods: int
    members: int
    megabytes: int
    """So much of the objects is not compressed."""

    @property
    def kept(self) -> str:
        """How its objects are kept, in a word."""
        return {HOT: "hot", 0: "cold"}.get(self.megabytes, f"{self.megabytes} MB")

    @property
    def fleet(self) -> tuple[int, int]:
        """What its members have to serve: trials of one fleet can share them."""
        return self.pods, self.members

    @classmethod
    def parse(cls, text: str) -> list[Self]:
        """Read PODS[xMEMBERS][:MEGABYTES]; MEGABYTES may be `all`, and without them it is two trials: `all` and 0.

        Raises ValueError for anything else.
        """
        found = _FORM.fullmatch(text)
        if found is None:
            raise ValueError(f"{text!r} is no size: write PODS[xMEMBERS][:MEGABYTES], such as 200000x20:0")
        pods, members = int(found["pods"]), int(found["members"] or MEMBERS)
        if not 0 < members <= pods:
            raise ValueError(f"{text!r} is no size: at least one member, and a Pod for each, are needed")
        match found["megabytes"]:
            case None:
                kept = [HOT, 0]
            case "all":
                kept = [HOT]
            case megabytes:
                kept = [int(megabytes)]
        return [cls(pods, members, megabytes) for megabytes in kept]
