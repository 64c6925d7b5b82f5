"""`fleetgate certs`: arguments in, words and exit codes out.

Neighbours: `gateway/cli.py` adds the parser and calls `run_certs`; `certs/commands.py` does the work.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from certs import commands, kubeconfig
from certs.errors import CertsError
from certs.keystore import read_public, write_atomically
from certs.profiles import Subject

_LONG_LIFE = timedelta(hours=24)
_UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
_DURATION = re.compile(r"(\d+d)?(\d+h)?(\d+m)?(\d+s)?")
_MAX_DIGITS = 9

_EXAMPLES = """\
examples:
  fleetgate certs init
  fleetgate certs issue alice --group developers --out alice.kubeconfig
  kubectl --kubeconfig alice.kubeconfig auth whoami
  fleetgate certs list
  fleetgate certs revoke 5f1c0c6a9b7e
"""
_ISSUE_EXAMPLES = """\
examples:
  fleetgate certs issue alice --group developers --out alice.kubeconfig
  fleetgate certs issue ci --ttl 24h --server https://gateway.example.com:6443 > ci.kubeconfig
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout bob.key -subj /CN=bob -out bob.csr
  fleetgate certs issue bob --csr bob.csr --out bob.crt
"""
_REVOKE_EXAMPLES = """\
examples:
  fleetgate certs revoke 5f1c0c6a9b7e
  fleetgate certs revoke 5f1c0c6a9b7e --reason "laptop lost"
"""


def add_certs_parser(
    subparsers: argparse._SubParsersAction[argparse.ArgumentParser], *, data_dir: str = ".fleetgate"
) -> None:
    """Add `certs` and its commands. Parsed arguments go to `run_certs`; `data_dir` is the default of --data-dir."""
    certs = subparsers.add_parser(
        "certs",
        help="issue, list and revoke client certificates",
        description="Issue, list and revoke the certificates by which people and programs log in to the gateway.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = certs.add_subparsers(dest="certs_command", required=True, metavar="COMMAND")
    _add(actions, "init", "create the certificate authority, unless there is one", "", data_dir)

    issue = _add(actions, "issue", "issue a client certificate and write a kubeconfig", _ISSUE_EXAMPLES, data_dir)
    issue.add_argument("user", metavar="USER", help="the user name the certificate carries")
    issue.add_argument("--group", action="append", default=[], metavar="G", help="a group of the user; may be repeated")
    issue.add_argument("--uid", metavar="UID", help="the user's UID (default: none)")
    issue.add_argument(
        "--ttl",
        type=parse_duration,
        default=commands.DEFAULT_TTL,
        metavar="12h",
        help="how long it is valid, such as 30m, 12h or 7d (default: 12h, at most 30d)",
    )
    issue.add_argument("--out", type=Path, metavar="FILE", help="where to write it (default: standard output)")
    issue.add_argument("--server", metavar="URL", help="the gateway's URL (default: where it last listened)")
    issue.add_argument(
        "--csr", type=Path, metavar="FILE", help="sign this request's key and write the certificate alone"
    )

    _add(actions, "list", "list the client certificates that were issued", "", data_dir)

    revoke = _add(actions, "revoke", "revoke a client certificate at once", _REVOKE_EXAMPLES, data_dir)
    revoke.add_argument("serial", metavar="SERIAL", help="serial number, as shown by: fleetgate certs list")
    revoke.add_argument("--reason", default="", metavar="TEXT", help="kept beside the revocation")


def run_certs(args: argparse.Namespace, *, now: Callable[[], float] = time.time) -> int:
    """Run a parsed `certs` command and return its exit code: 0 done, 1 refused or failed."""
    actions = {"init": _init, "issue": _issue, "list": _list, "revoke": _revoke}
    try:
        actions[args.certs_command](args, now)
    except (CertsError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def parse_duration(text: str) -> timedelta:
    """Return a duration written as 30m, 12h, 1h30m or 7d; raises argparse's error when it is none."""
    match = _DURATION.fullmatch(text)
    parts = [part for part in match.groups() if part] if match else []
    if not parts or any(len(part) > _MAX_DIGITS for part in parts):
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration; write it like 30m, 12h or 7d")
    return timedelta(**{_UNITS[part[-1]]: int(part[:-1]) for part in parts})


def _add(
    actions: argparse._SubParsersAction[argparse.ArgumentParser], name: str, text: str, examples: str, data_dir: str
) -> argparse.ArgumentParser:
    parser = actions.add_parser(
        name,
        help=text,
        description=text[0].upper() + text[1:] + ".",
        epilog=examples or f"example:\n  fleetgate certs {name} --data-dir /var/lib/fleetgate\n",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--data-dir", type=Path, default=Path(data_dir), metavar="DIR", help=f"the gateway's data (default: {data_dir})"
    )
    return parser


def _init(args: argparse.Namespace, now: Callable[[], float]) -> None:
    authority, created = commands.init(args.data_dir, now=now)
    end = _time(authority.certificate.not_valid_after_utc)
    if created:
        print(f"created a certificate authority in {args.data_dir}, valid until {end}")
    else:
        print(f"there is a certificate authority in {args.data_dir} already, valid until {end}; nothing was changed")


def _issue(args: argparse.Namespace, now: Callable[[], float]) -> None:
    subject = Subject(args.user, tuple(args.group), args.uid)
    if args.csr is not None:
        _sign(args, subject, now)
        return
    server = args.server or commands.server_url(args.data_dir)
    if args.out is not None and args.out.exists():
        kubeconfig.read(args.out)  # refuse before a certificate exists
    issued = commands.issue(args.data_dir, subject, args.ttl, server=server or commands.DEFAULT_SERVER, now=now)
    _note_long_life(args.ttl)
    if server is None:
        _note(
            f"the gateway has not written its address yet, so the kubeconfig points at {commands.DEFAULT_SERVER}; "
            "name another with --server"
        )
    if args.out is None:
        print(kubeconfig.render(issued.credentials), end="")
        return
    kubeconfig.write(args.out, issued.credentials)
    print(f"wrote {args.out}: user {args.user}, serial {issued.record.serial}, until {_time(issued.record.not_after)}")


def _sign(args: argparse.Namespace, subject: Subject, now: Callable[[], float]) -> None:
    pem = commands.sign(args.data_dir, read_public(args.csr), subject, args.ttl, now=now)
    _note_long_life(args.ttl)
    if args.out is None:
        print(pem.decode("ascii"), end="")
        return
    write_atomically(args.out, pem, mode=0o644)
    print(f"wrote {args.out}: a certificate for user {args.user}")


def _list(args: argparse.Namespace, now: Callable[[], float]) -> None:
    listing = commands.list_certificates(args.data_dir, now=now)
    rows = [("SERIAL", "USER", "GROUPS", "EXPIRES", "STATUS")]
    for listed in listing.certificates:
        record = listed.record
        groups = ",".join(record.groups) or "<none>"
        rows.append((record.serial, record.user, groups, _time(record.not_after), listed.state))
    for line in _columns(rows):
        print(line)
    for number in listing.damaged_lines:
        _note(f"line {number} of the index of issued certificates is damaged and was left out")


def _revoke(args: argparse.Namespace, now: Callable[[], float]) -> None:
    record, standing = commands.revoke_certificate(args.data_dir, args.serial, reason=args.reason, now=now)
    print(f"certificate {record.serial} of {record.user} is revoked since {_time(standing.revoked_at)}")


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return ["   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _note(text: str) -> None:
    print(f"note: {text}", file=sys.stderr)


def _note_long_life(ttl: timedelta) -> None:
    if ttl > _LONG_LIFE:
        _note("a certificate that lives longer than 24h is a key that can be lost for longer; revoke it when in doubt")


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
