"""schemathesis on every HTTP door, from the server's own OpenAPI: whatever is sent, no 5xx."""

import os
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from chatserver.app import create_app
from chatserver.edge.description.openapi import openapi
from chatserver.edge.doors import Door
from chatserver.settings import Settings
from tests.access.tokens import KEY, token
from tests.cli.test_serve import server

CHECKS = [response_schema_conformance, content_type_conformance]
EXAMPLES = int(os.environ.get("SCHEMATHESIS_EXAMPLES", "100"))


def description() -> dict[str, Any]:
    """What the server gives as `/openapi.json`."""
    return openapi([route for route in create_app(Settings()).routes if isinstance(route, Door)])


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("CHATSERVER_TOKEN_KEYS", KEY)
        environment.setenv("CHATSERVER_USER_REQUESTS_PER_MINUTE", "10000000")
        with server(tmp_path_factory.mktemp("served")) as (_, url):
            yield url


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("mode", list(GenerationMode))
def test_no_request_makes_a_server_error(url: str, mode: GenerationMode) -> None:
    """Generated requests to each door, as its description wants them and not, of a user who may do everything; what
    comes back is as it is described."""
    schema = schemathesis.openapi.from_dict(description())
    schema.config.update(base_url=url)
    headers = {"Authorization": f"Bearer {token('ada', operator=True, namespaces=['*'])}"}
    called = 0
    for found in schema.get_all_operations():
        operation = found.ok()  # type: ignore[union-attr]

        @given(case=operation.as_strategy(generation_mode=mode))
        @settings(
            max_examples=EXAMPLES, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
        )
        def called_with(case: Any) -> None:
            nonlocal called
            called += 1
            response = case.call(headers=headers, timeout=30)
            assert response.status_code < 500, (case.method, case.path, response.text)
            case.validate_response(response, checks=CHECKS)

        with suppress(Unsatisfiable):  # a door that takes nothing can't be asked wrongly
            called_with()
    print(f"{called} requests")
    assert called >= EXAMPLES
