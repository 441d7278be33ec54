"""What a user gets who installs txproxy: a wheel and an editable install, each in a clean virtual environment."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command away from the checkout and give what it printed; fail with all of it if it fails."""
    environ = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    environ["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, ROOT, cwd=folder)
    (built,) = folder.glob("txproxy-*.whl")
    return built


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a virtual environment that holds nothing but pip; give its folder of commands."""
    folder = tmp_path_factory.mktemp("clean") / "venv"
    venv.create(folder, with_pip=True)
    return folder / "bin"


def installed(kind: str, wheel: Path, commands: Path, cwd: Path) -> None:
    """Bring txproxy into the clean environment, in place of whatever was there of it."""
    source = [wheel] if kind == "wheel" else ["-e", ROOT]
    run(commands / "pip", "install", "-q", "--force-reinstall", "--no-deps", *source, cwd=cwd)
    run(commands / "pip", "install", "-q", *source, cwd=cwd)


class TestWheel:
    def test_it_carries_the_plugin_and_the_types(self, wheel: Path) -> None:
        """The wheel holds the twistd plugin, the marker that the package is typed, and the licence."""
        names = zipfile.ZipFile(wheel).namelist()
        assert "twisted/plugins/txproxy_plugin.py" in names
        assert "txproxy/py.typed" in names
        assert any(name.endswith("licenses/LICENSE") for name in names)

    def test_it_carries_every_file_of_the_package(self, wheel: Path) -> None:
        """What is tracked below txproxy/, the demo's route map included, is in the wheel."""
        tracked = subprocess.check_output(["git", "ls-files", "txproxy"], cwd=ROOT, text=True).splitlines()
        assert set(tracked) - set(zipfile.ZipFile(wheel).namelist()) == set()

    def test_it_overwrites_nothing_of_twisted(self, wheel: Path) -> None:
        """Below twisted/ the wheel holds the plugin alone: an __init__.py there would break Twisted itself."""
        below = [name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("twisted/")]
        assert below == ["twisted/plugins/txproxy_plugin.py"]

    def test_it_holds_no_tests(self, wheel: Path) -> None:
        """Only the package, the plugin and the metadata are installed."""
        tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
        assert {top for top in tops if not top.endswith(".dist-info")} == {"txproxy", "twisted"}


@pytest.mark.parametrize("kind", ["wheel", "editable"])
def test_a_clean_install_has_every_way_in(kind: str, wheel: Path, clean: Path, tmp_path: Path) -> None:
    """After an install twistd and twist list txproxy, both commands answer, and Twisted is still whole."""
    installed(kind, wheel, clean, tmp_path)
    for lister in ("twistd", "twist"):
        assert "A reverse proxy from a YAML route map." in run(clean / lister, "--help", cwd=tmp_path)
    assert "explain" in run(clean / "txproxy", "--help", cwd=tmp_path)
    assert "explain" in run(clean / "python", "-m", "txproxy", "--help", cwd=tmp_path)
    whole = "import twisted, twisted.plugins; print(twisted.__file__, twisted.plugins.__file__)"
    assert run(clean / "python", "-c", whole, cwd=tmp_path).count("__init__.py") == 2


def test_an_install_without_extras_can_check_a_map(wheel: Path, clean: Path, tmp_path: Path) -> None:
    """The two-line route map passes `txproxy check` with nothing but the declared dependencies."""
    installed("wheel", wheel, clean, tmp_path)
    (tmp_path / "routes.yaml").write_text("hosts:\n  app.example.com: http://127.0.0.1:8000\n")
    run(clean / "txproxy", "check", "routes.yaml", cwd=tmp_path)
