"""The shape of the code, held: packages, mirrors of modules, and that every part stands in its list."""

import ast
import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from admission.config import AdmissionConfig
from admission.plugins.order import build_plugins
from tests.admission.scripted_rights import ScriptedRights

ROOT = Path(__file__).parent.parent
PACKAGES = ("gateway", "cache", "admission", "certs")


def modules() -> list[Path]:
    """Every module of the product."""
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def test_each_import_package_is_ours_alone() -> None:
    owners = metadata.packages_distributions()
    assert {package: set(owners.get(package, ())) for package in PACKAGES} == {
        package: {"fleetgate"} for package in PACKAGES
    }


@pytest.mark.parametrize("path", [path for path in modules() if path.name == "__init__.py"], ids=str)
def test_init_files_hold_a_docstring_only(path: Path) -> None:
    body = ast.parse(path.read_text()).body
    assert len(body) <= 1
    assert all(isinstance(node, ast.Expr) for node in body)


def test_every_folder_of_tests_is_a_package() -> None:
    folders = {path.parent for path in (ROOT / "tests").rglob("test_*.py")}
    assert not [folder for folder in folders if not (folder / "__init__.py").exists()]


WHOLE_PACKAGE_TESTS = {
    "tests/cache/test_convergence.py",  # random histories through all of the cache
    "tests/cache/test_merged_view.py",  # random members, faults and readers of them against a model
    "tests/cache/test_paging.py",  # pages while members change
    "tests/cache/test_restart.py",  # random crashes through all of the cache
    "tests/certs/test_tls.py",  # handshakes through all of certs
}


def test_tests_mirror_modules() -> None:
    """A test module below tests/<package> tests a module of the same path, or says in its name which part of one."""
    strays = []
    for package in PACKAGES:
        for test in (ROOT / "tests" / package).rglob("test_*.py"):
            folder = ROOT / test.parent.relative_to(ROOT / "tests")
            name = test.stem.removeprefix("test_")
            known = {path.stem for path in folder.glob("*.py")} | {path.name for path in folder.glob("*/")}
            if not any(name == stem or name.startswith(f"{stem}_") for stem in known):
                strays.append(str(test.relative_to(ROOT)))
    assert set(strays) <= WHOLE_PACKAGE_TESTS


def test_every_filter_stands_in_the_chain() -> None:
    chain = (ROOT / "gateway" / "chain.py").read_text()
    filters = [path.stem for path in (ROOT / "gateway" / "filters").glob("*.py") if path.stem != "__init__"]
    assert not [name for name in filters if f"with_{name}(" not in chain]


def test_the_readme_tells_the_chain_and_the_layers_as_they_are() -> None:
    readme = " ".join((ROOT / "README.md").read_text().split())
    steps = re.findall(r"^        with_(\w+)\(", (ROOT / "gateway" / "chain.py").read_text(), re.MULTILINE)
    told = " → ".join(step.replace("_", " ") for step in steps).replace("access log", "access log and metrics")
    assert f"in the order a request meets them: {told} → dispatch." in readme
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (layers,) = [
        contract["layers"] for contract in project["tool"]["importlinter"]["contracts"] if "layers" in contract
    ]
    assert f"`{' → '.join(layers).replace('gateway.', '')}`" in readme


def test_every_admission_plugin_is_built() -> None:
    built = {
        type(plugin).__module__.rpartition(".")[2] for plugin in build_plugins(AdmissionConfig(), ScriptedRights())
    }
    written = {path.stem for path in (ROOT / "admission" / "plugins").glob("*.py")} - {"__init__", "order"}
    assert built == written


IMPURE = {"aiohttp", "asyncio", "ssl", "socket", "sqlite3", "time"}


def test_modules_that_call_themselves_pure_do_no_input_or_output() -> None:
    breaches = []
    for path in modules():
        tree = ast.parse(path.read_text())
        if "Pure." not in (ast.get_docstring(tree) or ""):
            continue
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            breaches += [f"{path.relative_to(ROOT)}: {name}" for name in names if name.split(".")[0] in IMPURE]
    assert not breaches
