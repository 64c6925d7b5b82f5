import json
import shlex
from pathlib import Path

from gateway.simulation.instructions import Access, Member, curl_lines, instructions, kubectl_lines

ACCESS = Access("https://127.0.0.1:6443", Path("d/admin.kubeconfig"), Path("d/ca"), Path("d/crt"), Path("d/key"))
MEMBERS = [Member("member1", 11), Member("member2", 22)]


def test_every_line_is_a_whole_command_of_a_shell() -> None:
    for line in kubectl_lines(ACCESS):
        assert shlex.split(line, comments=True)[:3] == ["kubectl", "--kubeconfig", "d/admin.kubeconfig"]
    for line in curl_lines(ACCESS):
        words = shlex.split(line, comments=True)
        assert words[:7] == ["curl", "--cacert", "d/ca", "--cert", "d/crt", "--key", "d/key"]
        assert words[-1].startswith("https://127.0.0.1:6443/")
        if "-d" in words:
            assert isinstance(json.loads(words[words.index("-d") + 1]), dict)


def test_the_user_is_told_how_to_see_an_outage_and_how_to_end() -> None:
    text = "\n".join(instructions(ACCESS, MEMBERS, Path("d"), kubectl=True))
    assert "kill -STOP 22" in text
    assert "Ctrl-C" in text
    assert "curl" not in text


def test_without_kubectl_the_same_is_offered_with_curl() -> None:
    text = "\n".join(instructions(ACCESS, MEMBERS, Path("d"), kubectl=False))
    assert "kubectl is not installed" in text
    assert "  curl --cacert" in text
