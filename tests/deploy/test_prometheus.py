"""Alerts and their tests by Prometheus' own tool, a runbook page for each alert, and the dashboard."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PROMETHEUS = ROOT / "deploy" / "prometheus"
RULES = [
    rule for group in yaml.safe_load((PROMETHEUS / "rules.yml").read_text("utf-8"))["groups"] for rule in group["rules"]
]


@pytest.fixture(scope="module")
def promtool() -> str:
    found = shutil.which("promtool")
    if found is None and not os.environ.get("CI"):
        pytest.skip("no promtool here: Debian's package `prometheus` has it")
    assert found is not None, "CI has to have promtool"
    return found


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "rules", "rules.yml"),
        ("test", "rules", "rules_test.yml"),
        ("check", "config", "--syntax-only", "prometheus.yml"),
    ],
    ids=" ".join,
)
def test_promtool_is_content(promtool: str, arguments: tuple[str, ...]) -> None:
    """Rules and configuration are valid, and each rule is told and not told as its tests say."""
    done = subprocess.run([promtool, *arguments], cwd=PROMETHEUS, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tested_both_ways() -> None:
    """Each alert has a case in which it is told and one that only looks like it."""
    tests = yaml.safe_load((PROMETHEUS / "rules_test.yml").read_text("utf-8"))["tests"]
    cases = [case for test in tests for case in test["alert_rule_test"]]
    fires = {case["alertname"] for case in cases if case["exp_alerts"]}
    quiet = {case["alertname"] for case in cases if not case["exp_alerts"]}
    assert fires == quiet == {rule["alert"] for rule in RULES}


def test_every_alert_has_its_page() -> None:
    """The page says what users see, where to look and what to do; no page is left over; its severity is one of two."""
    pages = {f"docs/runbook/{page.name}" for page in (ROOT / "docs" / "runbook").iterdir()}
    assert {rule["annotations"]["runbook"] for rule in RULES} == pages
    for rule in RULES:
        page = (ROOT / rule["annotations"]["runbook"]).read_text("utf-8")
        assert page.startswith(f"# {rule['alert']}\n")
        headings = re.findall(r"^## (.+)$", page, re.MULTILINE)
        assert headings == ["What users see", "Where to look", "What to do"]
        assert rule["labels"]["severity"] in {"page", "ticket"}


def test_links_of_the_pages_lead_somewhere() -> None:
    """A relative link of a runbook page is a file of the tree."""
    pages = (ROOT / "docs" / "runbook").iterdir()
    links = [(page, link) for page in pages for link in re.findall(r"\]\(([^)#]+)", page.read_text("utf-8"))]
    assert [(page.name, link) for page, link in links if not (page.parent / link).exists()] == []


def test_the_dashboard_is_whole() -> None:
    """Every panel has a place of its own, a title and something to show, and asks the source that was chosen."""
    dashboard: dict[str, Any] = json.loads((ROOT / "deploy" / "grafana" / "chatserver.json").read_text("utf-8"))
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels) > 20
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels]
    assert len(set(places)) == len(places)
    for panel in panels:
        if panel["type"] != "row":
            assert panel["title"]
            assert panel["datasource"]["uid"] == "${source}"
            assert all(target["expr"] and target["legendFormat"] for target in panel["targets"])
