import pytest

from gateway.simulation.member.commands import Output, Surroundings, run_command, run_line, surroundings
from tests.gateway.simulation.builders import NOW, pod


def around() -> Surroundings:
    obj = pod("web-1")
    obj["status"]["podIP"] = "10.1.1.2"
    obj["spec"]["containers"][0]["env"] = [{"name": "A", "value": "1 2"}, {"name": "B", "valueFrom": {}}]
    return surroundings(obj, obj["spec"]["containers"][0], "m1", NOW)


@pytest.mark.parametrize(
    ("command", "stdout"),
    [
        (["hostname"], "web-1\n"),
        (["/bin/echo", "a", "b"], "a b\n"),
        (["echo", "-n", "a"], "a"),
        (["cat", "/etc/hostname"], "web-1\n"),
        (["date"], "Thu May 28 20:26:40 UTC 2026\n"),
        (["id"], "uid=0(root) gid=0(root)\n"),
        (["printenv", "POD_IP", "FLEETGATE_CLUSTER"], "10.1.1.2\nm1\n"),
        (["pwd"], "/\n"),
        (["ls", "-l", "/etc"], ""),
        (["true"], ""),
        ([], ""),
        (["sh", "-c", "echo $A ${NODE_NAME} $NONE; hostname && whoami"], "1 2 n1\nweb-1\nroot\n"),
        (["sh", "-c", " "], ""),
    ],
)
def test_known_commands_are_answered(command: list[str], stdout: str) -> None:
    assert run_command(command, around()) == Output(stdout)


def test_the_environment_is_the_pods_own() -> None:
    lines = run_command(["env"], around()).stdout.splitlines()
    assert "A=1 2" in lines
    assert not any(line.startswith("B=") for line in lines)
    assert run_command(["printenv"], around()).stdout.splitlines() == lines
    assert run_command(["printenv", "A", "B"], around()) == Output("1 2\n", exit_code=1)


def test_the_root_directory_can_be_listed() -> None:
    assert run_command(["ls"], around()).stdout.splitlines()[:3] == ["bin", "dev", "etc"]
    assert run_command(["ls", "/", "/nope"], around()).stderr == "ls: /nope: No such file or directory\n"
    assert run_command(["ls", "/nope"], around()).exit_code == 1


@pytest.mark.parametrize(
    ("command", "code", "text"),
    [
        (["rm", "-rf", "/"], 127, "rm: not found"),
        (["cat", "/etc/passwd"], 1, "can't open '/etc/passwd'"),
        (["sh"], 2, "-c only"),
        (["sh", "-c"], 2, "-c only"),
        (["sh", "-c", "cat /etc/hostname | sh"], 2, "simple commands only"),
        (["sh", "-c", "echo $(id)"], 2, "simple commands only"),
        (["sh", "-c", "echo 'a"], 2, "unterminated"),
    ],
)
def test_everything_else_is_refused_as_a_shell_refuses_it(command: list[str], code: int, text: str) -> None:
    output = run_command(command, around())
    assert output.exit_code == code
    assert text in output.stderr


def test_a_line_goes_on_after_a_failure_but_not_behind_a_failed_condition() -> None:
    assert run_line("false && echo no; echo yes; false", around()) == Output("yes\n", exit_code=1)
    assert run_line("nope; hostname", around()).stdout == "web-1\n"


def test_a_line_of_many_spaces_is_read_in_no_time() -> None:
    assert run_line("echo a" + " " * 50_000 + "; echo b" + " " * 50_000, around()).stdout == "a\nb\n"
    assert run_line("echo a" + " " * 50_000 + "b", around()).stdout == "a b\n"


def test_exit_ends_the_shell() -> None:
    assert run_line("echo a; exit 3; echo b", around()) == Output("a\n", exit_code=3, ends=True)
    assert run_line("exit", around()) == Output(ends=True)
    assert run_line("exit soon", around()) == Output(ends=True)
