import argparse
import socket
from pathlib import Path

import pytest

from gateway.cli_demo import add_demo_parser, run_demo


def parse(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_demo_parser(parser.add_subparsers(dest="command"))
    return parser.parse_args(["demo", *arguments])


def test_without_arguments_it_is_the_demo_of_make_run() -> None:
    args = parse()
    assert (args.data_dir, args.listen, args.members) == (Path(".fleetgate"), "127.0.0.1:6443", None)


def test_an_address_that_is_none_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_demo(parse("--listen", "7000")) == 2
    assert "write HOST:PORT" in capsys.readouterr().err


def test_what_keeps_it_from_starting_is_said_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        listen = f"127.0.0.1:{other.getsockname()[1]}"
        assert run_demo(parse("--data-dir", str(tmp_path), "--listen", listen)) == 1
    assert run_demo(parse("--data-dir", str(tmp_path), "--listen", "127.0.0.1:0", "--members", "99")) == 1
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith(f"fleetgate: {listen} is in use")
    assert second == "fleetgate: --members is from 1 to 9, not 99"
    assert list(tmp_path.iterdir()) == []
