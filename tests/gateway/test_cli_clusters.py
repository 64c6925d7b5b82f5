import argparse

import pytest

from gateway.cli_clusters import add_clusters_parsers


@pytest.fixture
def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser()
    add_clusters_parsers(made.add_subparsers(dest="command", required=True))
    return made


def test_join_names_the_member_and_how_to_reach_it(parser: argparse.ArgumentParser) -> None:
    args = parser.parse_args(["join", "m1", "--kubeconfig", "f", "--context", "c", "--gateway", "g"])
    assert (args.command, args.name, str(args.kubeconfig), args.context) == ("join", "m1", "f", "c")
    assert (str(args.gateway), args.data_dir, args.wait) == ("g", None, 15.0)


def test_unjoin_and_clusters(parser: argparse.ArgumentParser) -> None:
    assert parser.parse_args(["unjoin", "m1", "--data-dir", "d"]).name == "m1"
    assert parser.parse_args(["clusters", "-o", "json"]).output == "json"
    assert parser.parse_args(["clusters"]).output == "table"


@pytest.mark.parametrize(
    "words", [["join", "m1"], ["join", "--kubeconfig", "f"], ["unjoin"], ["clusters", "-o", "xml"]]
)
def test_wrong_usage_is_exit_2(parser: argparse.ArgumentParser, words: list[str]) -> None:
    with pytest.raises(SystemExit) as end:
        parser.parse_args(words)
    assert end.value.code == 2


@pytest.mark.parametrize("command", ["join", "unjoin", "clusters"])
def test_help_has_examples(parser: argparse.ArgumentParser, capsys: pytest.CaptureFixture[str], command: str) -> None:
    with pytest.raises(SystemExit):
        parser.parse_args([command, "--help"])
    assert f"  fleetgate {command}" in capsys.readouterr().out
