"""What `deploy/` ships fits the program: its settings exist, and whoever stops a server waits for its drain."""

import configparser
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from chatserver.server_config import load_server_config
from chatserver.settings import variables

DEPLOY = Path(__file__).parents[2] / "deploy"
GRACE_S = 3
"""What a server may take beyond its drain."""

OTHERS = {"NEO4J_AUTH"}
"""Variables of other programs in the same files."""


def compose() -> Any:
    return yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text("utf-8"))


def kubernetes(kind: str) -> Any:
    documents = yaml.safe_load_all((DEPLOY / "kubernetes" / "chatserver.yaml").read_text("utf-8"))
    return next(document for document in documents if document["kind"] == kind)


def unit(name: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # systemd's keys have capitals
    parser.read_string((DEPLOY / "systemd" / name).read_text("utf-8"))
    return parser


def files() -> Iterator[Path]:
    for path in sorted(DEPLOY.rglob("*")):
        if path.is_file() and path.suffix != ".lock":
            yield path


def named_settings(text: str) -> set[str]:
    return set(re.findall(r"\b(?:CHATSERVER|NEO4J|PINECONE|OPENAI)_[A-Z_]+", text))


def test_settings_exist() -> None:
    """Every variable that a shipped file names is a setting of the program."""
    known = {variable.name for variable in variables()} | OTHERS
    unknown = {str(path): names for path in files() if (names := named_settings(path.read_text("utf-8")) - known)}
    assert unknown == {}
    assert named_settings((DEPLOY / "compose" / "compose.yaml").read_text("utf-8")) - OTHERS


def test_compose_waits_for_the_drain() -> None:
    """Both servers get longer to end than their drain takes, and are told by SIGTERM."""
    for name in ("server-1", "server-2"):
        server = compose()["services"][name]
        drain_s = float(server["environment"]["CHATSERVER_DRAIN_S"])
        assert int(server["stop_grace_period"].removesuffix("s")) > drain_s + GRACE_S
        assert server["stop_signal"] == "SIGTERM"
        assert server["read_only"] is True


def test_compose_has_two_servers_behind_the_proxy() -> None:
    """nginx's nodes are the servers' addresses, and the servers take the proxy's word alone."""
    services = compose()["services"]
    address = {
        name: service["networks"]["default"]["ipv4_address"]
        for name, service in services.items()
        if "networks" in service
    }
    nodes = (DEPLOY / "compose" / "nodes.conf").read_text("utf-8")
    assert re.findall(r"server ([\d.]+):8000", nodes) == [address["server-1"], address["server-2"]]
    assert load_server_config(DEPLOY / "uvicorn.toml")["forwarded_allow_ips"] == address["proxy"]


def test_compose_mounts_what_is_there() -> None:
    """Every file of ours that a service mounts exists."""
    mounts = [volume for service in compose()["services"].values() for volume in service.get("volumes", ())]
    ours = [mount.split(":")[0] for mount in mounts if mount.startswith(".")]
    assert len(ours) >= 2
    assert [path for path in ours if not (DEPLOY / "compose" / path).exists()] == []


def test_compose_watches_its_servers() -> None:
    """Prometheus asks both servers for their numbers, with a token that is a secret, and the worker, which is not
    published; Grafana shows them. Neither is reached from other machines."""
    services = compose()["services"]
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text("utf-8"))
    job, workers = config["scrape_configs"]
    assert workers["static_configs"][0]["targets"] == [f"worker:{services['worker']['command'][-1].rpartition(':')[2]}"]
    assert "ports" not in services["worker"]
    assert job["static_configs"][0]["targets"] == ["server-1:8000", "server-2:8000"]
    (secret,) = services["prometheus"]["secrets"]
    assert secret["target"] == f"/etc/prometheus/{job['authorization']['credentials_file']}"
    assert secret["source"] in compose()["secrets"]
    mounted = {volume.split(":")[1] for volume in services["grafana"]["volumes"] if volume.startswith(".")}
    (provider,) = yaml.safe_load((DEPLOY / "grafana" / "provisioning" / "dashboards.yml").read_text("utf-8"))[
        "providers"
    ]
    assert f"{provider['options']['path']}/chatserver.json" in mounted
    published = [port for name in ("prometheus", "grafana") for port in services[name]["ports"]]
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_kubernetes_waits_for_the_drain() -> None:
    """A pod may take its preStop, its drain and the grace; a new one is ready before an old one goes."""
    deployment = kubernetes("Deployment")["spec"]
    pod = deployment["template"]["spec"]
    (container,) = pod["containers"]
    environment = {variable["name"]: variable["value"] for variable in container["env"]}
    pre_stop_s = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    assert pod["terminationGracePeriodSeconds"] > pre_stop_s + float(environment["CHATSERVER_DRAIN_S"]) + GRACE_S
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert deployment["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def test_kubernetes_listens_where_it_is_asked(tmp_path: Path) -> None:
    """The mounted configuration of the server is valid, and its port the container's."""
    file = tmp_path / "uvicorn.toml"
    file.write_text(kubernetes("ConfigMap")["data"]["uvicorn.toml"])
    (container,) = kubernetes("Deployment")["spec"]["template"]["spec"]["containers"]
    assert load_server_config(file)["port"] == container["ports"][0]["containerPort"]


def test_systemd_waits_for_the_drain() -> None:
    """The service may take its drain and the grace, and is told by SIGTERM alone."""
    service = unit("chatserver.service")["Service"]
    drain_s = float(re.findall(r"CHATSERVER_DRAIN_S=(\d+)", service["Environment"])[0])
    assert float(service["TimeoutStopSec"]) > drain_s + GRACE_S
    assert (service["KillSignal"], service["KillMode"]) == ("SIGTERM", "mixed")


def test_the_image_begins_the_drain() -> None:
    """The container is stopped by SIGTERM, runs as nobody special, and asks its own health."""
    dockerfile = (DEPLOY / "Dockerfile").read_text("utf-8")
    assert re.findall(r"^STOPSIGNAL (\w+)", dockerfile, re.MULTILINE) == ["SIGTERM"]
    assert re.findall(r"^USER (\d+)", dockerfile, re.MULTILINE) == ["10001"]
    assert "/healthz" in dockerfile


@pytest.mark.parametrize("file", ["uvicorn.toml", "systemd/uvicorn.toml"])
def test_server_configurations_are_valid(file: str) -> None:
    """The program takes what is shipped for it."""
    assert load_server_config(DEPLOY / file)
