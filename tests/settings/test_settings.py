from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from chatserver.settings import (
    DEFAULT_MODEL,
    Generation,
    Model,
    Redis,
    Settings,
    SettingsError,
    load_settings,
    variables,
)


def faults(environ: dict[str, str]) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        load_settings(environ)
    return caught.value.faults


def test_defaults() -> None:
    """With nothing set, the data directory is ./data, the lease 5 s and the model extractive."""
    settings = load_settings({})
    assert settings == Settings()
    assert settings.storage.data_dir == Path("data")
    assert settings.generation.lease_s == 5.0
    assert settings.generation.answer_timeout_s == 120.0
    assert settings.model.kind == "extractive"


def test_names_that_stay() -> None:
    """Every name promised by the protocol is a setting."""
    assert {
        "CHATSERVER_DATA_DIR",
        "CHATSERVER_REDIS_URL",
        "CHATSERVER_MODEL",
        "OPENAI_API_KEY",
        "OPENAI_BASE_URL",
        "PINECONE_API_KEY",
        "PINECONE_INDEX_NAME",
        "PINECONE_HOST",
        "NEO4J_URI",
        "NEO4J_USERNAME",
        "NEO4J_PASSWORD",
        "CHATSERVER_LEASE_S",
        "CHATSERVER_DRAIN_S",
    } <= {variable.name for variable in variables()}


def test_every_setting_is_described() -> None:
    """Each setting has a name of its own and a description."""
    listed = list(variables())
    assert len({variable.name for variable in listed}) == len(listed)
    assert all(variable.description for variable in listed)


def test_environment_over_file(tmp_path: Path) -> None:
    """The environment wins over the file, the file over the default, overrides over both."""
    file = tmp_path / "chatserver.toml"
    file.write_text('CHATSERVER_LEASE_S = 2\nCHATSERVER_DRAIN_S = 3\nOPENAI_BASE_URL = "http://localhost:1/v1"\n')
    settings = load_settings(
        {"CHATSERVER_CONFIG": str(file), "CHATSERVER_LEASE_S": "7", "CHATSERVER_TOP_K": "3"},
        overrides={"CHATSERVER_TOP_K": 4},
    )
    assert settings.generation == Generation(lease_s=7, drain_s=3)
    assert settings.retrieval.top_k == 4
    assert settings.model.base_url == "http://localhost:1/v1"


def test_every_fault_at_once(tmp_path: Path) -> None:
    """All faults of environment and file are told together, one line each."""
    file = tmp_path / "chatserver.toml"
    file.write_text('CHATSERVER_TOPK = 3\nNEO4J_URI = "localhost"\n')
    told = faults(
        {"CHATSERVER_CONFIG": str(file), "CHATSERVER_LEASE_S": "0", "CHATSERVER_MODLE": "x", "OPENAI_BASE_URL": "x"}
    )
    assert [line.split()[0].rstrip(":") for line in told] == [
        "CHATSERVER_MODLE",
        "CHATSERVER_TOPK",
        "CHATSERVER_LEASE_S",
        "OPENAI_BASE_URL",
        "NEO4J_URI",
    ]
    assert "did you mean CHATSERVER_MODEL?" in told[0]
    assert "did you mean CHATSERVER_TOP_K?" in told[1]
    assert "'0'" in told[2]
    assert "greater than 0" in told[2]


@pytest.mark.parametrize("value", ["nan", "inf", "-1", "five", "0"])
def test_a_lease_must_be_a_positive_number(value: str) -> None:
    """A lease that is no finite positive number is a fault."""
    assert faults({"CHATSERVER_LEASE_S": value})[0].startswith(f"CHATSERVER_LEASE_S = {value!r}")


def test_unknown_names_of_others_are_left_alone() -> None:
    """Only names that start with CHATSERVER_ are ours to judge in the environment."""
    assert load_settings({"PATH": "/bin", "OPENAI_ORGANIZATION": "o"}) == Settings()


def test_empty_is_unset() -> None:
    """An empty variable counts as not set."""
    assert load_settings({"OPENAI_API_KEY": "", "CHATSERVER_LEASE_S": ""}) == Settings()


@pytest.mark.parametrize(("content", "told"), [(None, "cannot be read"), (b"a = ", "TOML"), (b"\xff", "TOML")])
def test_a_bad_file_is_a_fault(tmp_path: Path, content: bytes | None, told: str) -> None:
    """A file that is missing, not TOML or not UTF-8 is one fault among the others."""
    file = tmp_path / "chatserver.toml"
    if content is not None:
        file.write_bytes(content)
    lines = faults({"CHATSERVER_CONFIG": str(file), "CHATSERVER_TOP_K": "0"})
    assert told in lines[0]
    assert lines[1].startswith("CHATSERVER_TOP_K")


def test_secrets_are_never_printed() -> None:
    """Neither the settings' own text nor a fault shows a secret."""
    settings = load_settings({"OPENAI_API_KEY": "sk-secret", "CHATSERVER_REDIS_URL": "redis://:pw-secret@host"})
    assert "secret" not in repr(settings).replace("SecretStr", "")
    assert settings.model.api_key is not None
    assert settings.model.api_key.get_secret_value() == "sk-secret"
    line = faults({"OPENAI_BASE_URL": "user:sk-secret@host", "NEO4J_PASSWORD": "pw-secret"})
    assert "secret" not in " ".join(line)


@pytest.mark.parametrize(
    ("environ", "kind", "name"),
    [
        ({}, "extractive", "extractive"),
        ({"OPENAI_API_KEY": "k"}, "openai", DEFAULT_MODEL),
        ({"OPENAI_BASE_URL": "http://localhost:1/v1"}, "openai", DEFAULT_MODEL),
        ({"OPENAI_API_KEY": "k", "CHATSERVER_MODEL": "m"}, "openai", "m"),
        ({"OPENAI_API_KEY": "k", "CHATSERVER_MODEL": "extractive"}, "extractive", "extractive"),
        ({"CHATSERVER_MODEL": "scripted"}, "scripted", "scripted"),
    ],
)
def test_which_model(environ: dict[str, str], kind: str, name: str) -> None:
    """A key or a base URL alone selects the OpenAI-compatible model; CHATSERVER_MODEL overrides."""
    model = load_settings(environ).model
    assert (model.kind, model.effective_name) == (kind, name)


def test_a_named_model_needs_a_server() -> None:
    """A model name without key or base URL is a fault that says what is allowed."""
    (line,) = faults({"CHATSERVER_MODEL": "gpt"})
    assert "OPENAI_API_KEY" in line
    assert "extractive" in line


def test_an_address_of_redis_is_one() -> None:
    """Any other text is a fault, which does not show it: it may hold a password."""
    for url in ("redis://h", "rediss://:pw@h:7/2", "unix:///run/redis.sock"):
        assert load_settings({"CHATSERVER_REDIS_URL": url}).redis.url is not None
    (line,) = faults({"CHATSERVER_REDIS_URL": "http://:pw-secret@h"})
    assert line.startswith("CHATSERVER_REDIS_URL: should be a URL that starts with redis://")
    assert "secret" not in line


def test_pinecone_is_named_whole() -> None:
    """A key needs an index and an index a key, one to be made needs a name, and a host is a whole one."""
    whole = {"PINECONE_API_KEY": "pc-secret", "PINECONE_INDEX_NAME": "passages", "PINECONE_CREATE": "true"}
    assert load_settings(whole).pinecone.create
    assert load_settings({"PINECONE_API_KEY": "k", "PINECONE_HOST": "i-1.svc.pinecone.io"}).pinecone.mode == "shared"
    for missing, said in (
        ({"PINECONE_API_KEY": "pc-secret"}, "needs PINECONE_INDEX_NAME or PINECONE_HOST"),
        ({"PINECONE_INDEX_NAME": "passages"}, "need PINECONE_API_KEY"),
        (
            {"PINECONE_API_KEY": "pc-secret", "PINECONE_HOST": "passages"},
            "PINECONE_HOST: should be a host",
        ),
        ({**whole, "PINECONE_HOST": "a.b", "PINECONE_INDEX_NAME": ""}, "PINECONE_CREATE needs PINECONE_INDEX_NAME"),
    ):
        (line,) = faults(missing)
        assert said in line
        assert "secret" not in line


def test_frozen_and_strict() -> None:
    """Groups cannot be changed, and take no field that they do not have."""
    with pytest.raises(ValidationError):
        Model().name = "x"
    with pytest.raises(ValidationError):
        Generation(lease=1)  # type: ignore[call-arg]
    with pytest.raises(ValidationError):
        Redis(url=SecretStr(""))


def test_built_by_hand_reads_nothing_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """`Settings()` is the defaults whatever the environment holds; `load_settings()` reads it."""
    monkeypatch.setenv("CHATSERVER_LEASE_S", "9")
    assert Settings().generation.lease_s == 5.0
    assert load_settings().generation.lease_s == 9.0
