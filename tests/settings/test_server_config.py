from pathlib import Path

import pytest
from uvicorn import Config

from chatserver import server_config
from chatserver.server_config import DEFAULTS, SOURCE_PACKAGES, ServerConfigError, load_server_config

ROOT = Path(server_config.__file__).resolve().parent.parent


def write(directory: Path, text: str) -> Path:
    file = directory / "uvicorn.toml"
    file.write_text(text)
    return file


def faults(file: Path) -> tuple[str, ...]:
    with pytest.raises(ServerConfigError) as caught:
        load_server_config(file)
    return caught.value.faults


def test_without_a_file(tmp_path: Path) -> None:
    """Without a file the defaults hold, and uvicorn takes them."""
    options = load_server_config(directory=tmp_path)
    config = Config("chatserver.app:create_app", factory=True, **options)
    assert config.ws_per_message_deflate is False
    assert config.timeout_graceful_shutdown == DEFAULTS["timeout_graceful_shutdown"]


def test_the_repositorys_file_says_the_defaults(tmp_path: Path) -> None:
    """The documented uvicorn.toml holds exactly the defaults."""
    assert load_server_config(ROOT / "uvicorn.toml") == load_server_config(directory=tmp_path)


def test_search_order(tmp_path: Path) -> None:
    """An explicit file is read instead of the directory's; overrides win over both; the rest keeps its default."""
    write(tmp_path, "port = 1\n")
    other = tmp_path / "other.toml"
    other.write_text("port = 2\n")
    assert load_server_config(directory=tmp_path)["port"] == 1
    assert load_server_config(other, directory=tmp_path)["port"] == 2
    options = load_server_config(other, directory=tmp_path, overrides={"port": 3})
    assert options["port"] == 3
    assert options["ws_max_size"] == DEFAULTS["ws_max_size"]


def test_every_fault_at_once(tmp_path: Path) -> None:
    """Unknown keys (with the nearest name) and wrong types are all told together."""
    told = faults(write(tmp_path, 'prot = 1\nport = "high"\nws = 3\napp = "x"\nbacklog = 10\n'))
    assert len(told) == 4
    assert "prot: no such key; did you mean port?" in told[0]
    assert "port: should be a valid integer" in told[1]
    assert "ws: " in told[2]
    assert "app: no such key" in told[3]


@pytest.mark.parametrize("content", [b"port = ", b"\xff"])
def test_not_toml(tmp_path: Path, content: bytes) -> None:
    """A file that is no UTF-8 TOML is one clear fault."""
    file = tmp_path / "uvicorn.toml"
    file.write_bytes(content)
    assert "is not valid TOML" in faults(file)[0]


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    """A file that was asked for by name and is missing is an error, not the defaults."""
    assert "cannot be read" in faults(tmp_path / "none.toml")[0]


@pytest.mark.parametrize("value", ['["tests"]', '["chatserver", "."]', "[]", '"scripts"', "[1]"])
def test_reload_dirs_are_source_packages(tmp_path: Path, value: str) -> None:
    """No directory but the four source packages can be watched."""
    assert "may only name source packages" in faults(write(tmp_path, f"reload_dirs = {value}\n"))[0]


def test_reload_watches_the_source_packages_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With reload, uvicorn watches exactly the four packages, wherever it is started."""
    monkeypatch.chdir(tmp_path)
    options = load_server_config(overrides={"reload": True})
    config = Config("chatserver.app:create_app", factory=True, **options)
    assert sorted(config.reload_dirs) == sorted(ROOT / package for package in SOURCE_PACKAGES)


def test_every_serialisable_argument_of_uvicorn_may_be_set(tmp_path: Path) -> None:
    """Keys beyond our defaults, such as workers and TLS files, reach uvicorn with their types."""
    file = write(tmp_path, 'workers = 2\nssl_keyfile = "k.pem"\nheaders = [["x-a", "b"]]\n')
    options = load_server_config(file)
    assert options["workers"] == 2
    assert options["headers"] == [("x-a", "b")]
