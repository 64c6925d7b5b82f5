import pytest

from gateway.simulation.member.containers import Behaviour, behaviour, image_name

SERVER = Behaviour()


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("nginx", "nginx"),
        ("nginx:1.27", "nginx"),
        ("registry.local:5000/team/crashy:2@sha256:ab", "crashy"),
        ("", ""),
    ],
)
def test_an_image_is_named_without_registry_tag_and_digest(image: str, name: str) -> None:
    assert image_name(image) == name


@pytest.mark.parametrize(
    ("command", "does"),
    [
        ([], SERVER),
        (["nginx", "-g", "daemon off;"], SERVER),
        (["sleep", "30"], Behaviour(30.0)),
        (["sh", "-c", "sleep 1.5; sleep 2m; exit 300"], Behaviour(121.5, 300 & 0xFF)),
        (["sh", "-c", "exit 3"], Behaviour(1.0, 3)),
        (["sleep", "infinity"], SERVER),
        (["sh", "-c", "while true; do sleep 1; done"], SERVER),
        (["tail", "-f", "/dev/null"], SERVER),
        (["/bin/echo", "hi"], Behaviour(1.0)),
        (["bash", "-ec", "x"], SERVER),
        (["sh", "-c", "date"], Behaviour(1.0)),
        (["sh", "-c", ""], SERVER),
        (["false"], Behaviour(1.0, 1)),
        (["exiting", "sleepy"], SERVER),
    ],
)
def test_a_command_tells_how_long_a_container_runs_and_how_it_exits(command: list[str], does: Behaviour) -> None:
    assert behaviour({"image": "x", "command": command[:1], "args": command[1:]}, batch=False) == does


def test_an_image_named_crash_fails_whatever_its_command_and_is_never_ready() -> None:
    crashing = {"image": "a/crash-loop:1", "args": ["sleep", "9"]}
    assert behaviour(crashing, batch=False) == Behaviour(1.0, 1, ready=False)


@pytest.mark.parametrize("command", [[], ["perl", "-e", "1"]])
def test_the_work_of_a_job_is_done_soon(command: list[str]) -> None:
    assert behaviour({"image": "x", "command": command}, batch=True) == Behaviour(2.0)
