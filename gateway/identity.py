"""The gateway's own certificates while it runs: what it presents, whom it trusts, who administers it.

Opens what certs/ keeps in the data dir; the server listens with it and keeps `run` running.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from certs import commands as certificates
from certs.errors import CertsError
from certs.keystore import NOTICE_PERIOD, PkiDirectory
from certs.profiles import Subject
from certs.revocation import RevocationList
from certs.serving import ServingContext, serving_names
from certs.trust import TrustStore
from certs.verification import ClientCertificateVerifier
from gateway.authorization.bootstrap_policy import ADMINS_GROUP

ADMIN = Subject("admin", (ADMINS_GROUP,))
ADMIN_KUBECONFIG = "admin.kubeconfig"

_REFRESH_PERIOD = 10.0

logger = logging.getLogger("gateway.identity")


@dataclass(slots=True)
class Identity:
    """Everything about certificates that the running gateway needs."""

    data_dir: Path
    context: ServingContext
    verifier: ClientCertificateVerifier
    revocations: RevocationList
    store: TrustStore

    def problem(self) -> str:
        """Return what is wrong, or an empty string; for readiness."""
        failure = self.revocations.failure() or self.store.failure
        return str(failure) if failure else ""

    async def run(self, server_url: str) -> None:
        """Renew the serving certificate and the administrator's kubeconfig when they are due, for ever."""
        while True:
            await asyncio.sleep(_REFRESH_PERIOD)
            await self.follow()
            try:
                await asyncio.to_thread(write_admin_kubeconfig, self.data_dir, server_url)
            except CertsError as error:
                logger.error("certificates could not be renewed: %s", error)

    async def follow(self) -> None:
        """Renew the serving certificate when it is due, and present what is there and to whom."""
        try:
            await asyncio.to_thread(self.context.refresh)
        except CertsError as error:
            logger.error("certificates could not be renewed: %s", error)


def write_admin_kubeconfig(data_dir: Path, server_url: str) -> None:
    """Write the administrator's kubeconfig when it is absent or due. Raises CertsError."""
    certificates.refresh_kubeconfig(data_dir, data_dir / ADMIN_KUBECONFIG, ADMIN, server=server_url, now=time.time)


def open_identity(data_dir: Path, host: str, names: Sequence[str], client_authorities: Sequence[str]) -> Identity:
    """Open the authority of a data directory, or make one. Raises CertsError."""
    authority, _ = certificates.init(data_dir, now=time.time)
    pki = PkiDirectory.under(data_dir)
    store = TrustStore(pki, [Path(name) for name in client_authorities], notice_within=NOTICE_PERIOD)
    revocations = RevocationList(pki, notice_within=NOTICE_PERIOD)
    verifier = ClientCertificateVerifier(store.current, revocations, now=time.time)
    all_names = serving_names(host, socket.gethostname(), names)
    context = ServingContext(pki, authority, store, all_names, now=time.time)
    return Identity(data_dir, context, verifier, revocations, store)
