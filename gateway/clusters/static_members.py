"""Members listed in a kubeconfig file: each of its contexts is one. The registry looks at the file again and again."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from gateway.clusters.kubeconfig import KubeconfigError, read_kubeconfig
from gateway.clusters.members import Declaration, declare_contexts

_log = logging.getLogger(__name__)


class StaticMembers:
    """The file and what it declared when it was last in order.

    Args:
        path: the kubeconfig file.
        contexts: which of its contexts are members; empty means all.

    Raises:
        KubeconfigError: the file cannot be used; later it may break, and what it declared before stays in force.
    """

    def __init__(self, path: Path, contexts: Sequence[str] = ()) -> None:
        self._path = path
        self._contexts = tuple(contexts)
        self._complaint = ""
        self.declarations: Mapping[str, Declaration] = self._read()

    def reload(self) -> bool:
        """Read the file again; True when it declares something else now. Blocking, so it is called from a thread."""
        try:
            declarations = self._read()
        except KubeconfigError as error:
            if str(error) != self._complaint:
                _log.warning("keeping the members known: %s", error)
            self._complaint = str(error)
            return False
        self._complaint = ""
        changed = declarations != self.declarations
        self.declarations = declarations
        return changed

    def _read(self) -> dict[str, Declaration]:
        try:
            state = self._path.stat()
        except OSError as error:
            raise KubeconfigError(f"kubeconfig {self._path}: {error.strerror}") from None
        revision = f"{state.st_mtime_ns}-{state.st_size}-{state.st_ino}"
        declarations = declare_contexts(read_kubeconfig(self._path), self._contexts, revision)
        return {declaration.name: declaration for declaration in declarations}
