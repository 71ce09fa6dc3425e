"""schemathesis on every HTTP door: whatever is sent, no 5xx."""

import os
import re
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings

from chatserver.app import create_app
from chatserver.edge.doors import Door
from chatserver.settings import Settings
from tests.access.tokens import KEY, token
from tests.cli.test_serve import server

EXAMPLES = int(os.environ.get("SCHEMATHESIS_EXAMPLES", "100"))
TEXT = {"type": "string"}


def description() -> dict[str, Any]:
    """The doors as an OpenAPI document: paths, methods and parameters from the routes themselves, any JSON as body."""
    paths: dict[str, dict[str, Any]] = {}
    for route in create_app(Settings()).routes:
        if isinstance(route, Door):
            path = re.sub(r":\w+}", "}", route.path)
            named = [
                {"name": name, "in": "path", "required": True, "schema": {**TEXT, "minLength": 1}}
                for name in re.findall(r"{(\w+)}", path)
            ]
            asked = [
                {"name": name, "in": "query", "schema": TEXT}
                for name in ("entity", "answer", "hops", "limit", "namespace", "undelivered", "after", "centre")
            ]
            for method in (route.methods or set()) - {"HEAD"}:
                operation: dict[str, Any] = {"parameters": named + asked, "responses": {"default": {"description": ""}}}
                if method == "POST":
                    operation["requestBody"] = {"content": {"application/json": {"schema": {}}}}
                paths.setdefault(path, {})[method.lower()] = operation
    return {"openapi": "3.1.0", "info": {"title": "chatserver", "version": "1"}, "paths": paths}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("CHATSERVER_TOKEN_KEYS", KEY)
        environment.setenv("CHATSERVER_USER_REQUESTS_PER_MINUTE", "10000000")
        with server(tmp_path_factory.mktemp("served")) as (_, url):
            yield url


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_no_request_makes_a_server_error(url: str) -> None:
    """Generated requests to each door, valid and not, of a user who may do everything."""
    schema = schemathesis.openapi.from_dict(description())
    schema.config.update(base_url=url)
    headers = {"Authorization": f"Bearer {token('ada', operator=True, namespaces=['*'])}"}
    called = 0
    for found in schema.get_all_operations():
        operation = found.ok()  # type: ignore[union-attr]

        @given(case=operation.as_strategy())
        @settings(
            max_examples=EXAMPLES, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
        )
        def called_with(case: Any) -> None:
            nonlocal called
            called += 1
            response = case.call(headers=headers, timeout=30)
            assert response.status_code < 500, (case.method, case.path, response.text)

        called_with()
    print(f"{called} requests")
    assert called >= EXAMPLES
