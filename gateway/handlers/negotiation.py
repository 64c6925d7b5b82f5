"""Accept header to media type and shape: JSON, YAML or protobuf; the object itself, a Table or its metadata only.

Follows k8s.io/apiserver `endpoints/handlers/negotiation`. Pure.
"""

from __future__ import annotations

from enum import Enum
from functools import lru_cache

import msgspec

from gateway.apimachinery.errors import not_acceptable

JSON = "application/json"
YAML = "application/yaml"
PROTOBUF = "application/vnd.kubernetes.protobuf"

BUILT_IN_TYPES = (JSON, YAML, PROTOBUF)
CUSTOM_TYPES = (JSON, YAML)
STREAM_TYPES = (f"{JSON};stream=watch", f"{PROTOBUF};stream=watch")

_META_GROUP = "meta.k8s.io"
_META_VERSIONS = frozenset({"v1", "v1beta1"})
_PRETTY_AGENTS = ("curl", "Wget", "Mozilla/5.0")
_REMEMBERED_LENGTH = 512
_TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True"})


class Shape(Enum):
    """What of an object is sent."""

    OBJECT = ""
    TABLE = "Table"
    METADATA = "PartialObjectMetadata"
    METADATA_LIST = "PartialObjectMetadataList"


_SHAPES = {shape.value: shape for shape in Shape if shape is not Shape.OBJECT}


class Representation(msgspec.Struct, frozen=True):
    """How an answer is written: media type, shape, the meta.k8s.io version of that shape, and pretty printing."""

    media_type: str = JSON
    shape: Shape = Shape.OBJECT
    shape_version: str = "v1"
    pretty: bool = False

    @property
    def content_type(self) -> str:
        """The Content-Type of a complete (not streamed) answer."""
        return self.media_type

    @property
    def stream_content_type(self) -> str:
        """The Content-Type of a watch stream."""
        return f"{PROTOBUF};stream=watch" if self.media_type == PROTOBUF else self.media_type


class AcceptClause(msgspec.Struct, frozen=True):
    """One media range of an Accept header with its parameters."""

    kind: str
    subtype: str
    parameters: dict[str, str]
    quality: float

    @property
    def rank(self) -> tuple[float, bool, bool]:
        """Sort key: by quality, then the exact before the wildcard."""
        return (-self.quality, self.kind == "*", self.subtype == "*")

    def matches(self, media_type: str) -> bool:
        """Whether the range holds this media type."""
        kind, _, subtype = media_type.partition("/")
        if self.kind == "*":
            return self.subtype == "*"
        return self.kind == kind and self.subtype in {subtype, "*"}


def _parse_clause(text: str) -> AcceptClause | None:
    media_type, *raw_parameters = text.split(";")
    kind, slash, subtype = media_type.strip().partition("/")
    if not slash and kind != "*":
        return None
    parameters: dict[str, str] = {}
    quality = 1.0
    for raw in raw_parameters:
        name, _, value = raw.strip().partition("=")
        if name == "q":
            try:
                quality = float(value)
            except ValueError:
                quality = 0.0
        elif name:
            parameters[name] = value.strip('"')
    return AcceptClause(kind, subtype or "*", parameters, quality)


def parse_accept(header: str) -> list[AcceptClause]:
    """Return the clauses of an Accept header, the preferred one first; what cannot be read is left out."""
    clauses = [clause for text in header.split(",") if (clause := _parse_clause(text)) is not None]
    return sorted(clauses, key=lambda clause: clause.rank)


def _shape(clause: AcceptClause, media_type: str, *, tables: bool) -> tuple[Shape, str] | None:
    """Return the shape a clause asks for and its version, or None when it cannot be served so."""
    wanted = {name: clause.parameters[name] for name in ("as", "g", "v") if name in clause.parameters}
    if not wanted:
        return Shape.OBJECT, "v1"
    version = wanted.get("v", "")
    if wanted.get("g") != _META_GROUP or version not in _META_VERSIONS or wanted.get("as") not in _SHAPES:
        return None
    shape = _SHAPES[wanted["as"]]
    if shape is Shape.TABLE and (not tables or media_type == PROTOBUF):
        return None
    return shape, version


def _wants_pretty(pretty: str | None, user_agent: str) -> bool:
    return pretty in _TRUE if pretty else user_agent.startswith(_PRETTY_AGENTS)


def negotiate(
    accept: str,
    *,
    offered: tuple[str, ...] = BUILT_IN_TYPES,
    untransformed: tuple[str, ...] | None = None,
    tables: bool = True,
    transformed: bool = True,
    user_agent: str = "",
    pretty: str | None = None,
) -> Representation:
    """Choose the representation of an answer.

    Args:
        accept: the Accept header; empty means JSON.
        offered: the media types that can be sent, preferred first.
        untransformed: those of them in which the object itself can be sent, None for all: custom resources have no
            protobuf form, but their metadata has.
        tables: whether the resource can be shown as a Table.
        transformed: whether anything but the object itself can be sent; of a Status nothing else can.
        user_agent: tools for people (curl, Wget, browsers) get indented JSON.
        pretty: the `pretty` query parameter, None when absent.

    Raises:
        ApiError: 406, when nothing of what is accepted can be sent.
    """
    wants_pretty = _wants_pretty(pretty, user_agent)
    choose = _chosen_before if len(accept) <= _REMEMBERED_LENGTH else _choose
    return choose(accept, offered, untransformed, tables, transformed, wants_pretty)


def _choose(
    accept: str,
    offered: tuple[str, ...],
    untransformed: tuple[str, ...] | None,
    tables: bool,
    transformed: bool,
    wants_pretty: bool,
) -> Representation:
    if not accept:
        return Representation(offered[0], pretty=wants_pretty)
    for clause in parse_accept(accept):
        for media_type in filter(clause.matches, offered):
            chosen = _shape(clause, media_type, tables=tables)
            if chosen is None or not (transformed or chosen[0] is Shape.OBJECT):
                continue
            if chosen[0] is Shape.OBJECT and media_type not in (untransformed or offered):
                continue
            asked_pretty = wants_pretty or clause.parameters.get("pretty") == "1"
            return Representation(media_type, *chosen, pretty=asked_pretty)
    raise not_acceptable(offered)


_chosen_before = lru_cache(maxsize=256)(_choose)
"""The same: clients send the same few headers again and again."""
