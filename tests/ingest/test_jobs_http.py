"""The doors of ingestion: what they take, what they refuse, and whose jobs they show. No worker runs here."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from chatserver.answers.log import Batch, LogUnavailable
from chatserver.answers.states import AnswerState
from chatserver.edge import ingest, jobs
from chatserver.edge.gate import Gate
from chatserver.edge.problems import Problem, on_log_unavailable, on_problem
from chatserver.ingest.spool import Spool
from chatserver.settings import Ingest, Settings, Storage
from chatserver.wiring import System, open_system
from tests.delivery.served import by_header

DOCUMENT = {"id": "pump", "title": "Pump", "text": "It moves glycol.", "metadata": {"unit": 4}}
BODY = {"documents": [DOCUMENT]}


@dataclass
class Doors:
    system: System
    client: httpx.AsyncClient
    allowed: Path

    async def post(self, *, user: str = "ada", headers: dict[str, str] | None = None, **body: Any) -> httpx.Response:
        return await self.client.post("/v1/ingest", headers={"X-User": user, **(headers or {})}, **body)

    async def call(self, method: str, path: str, user: str = "ada") -> httpx.Response:
        return await self.client.request(method, path, headers={"X-User": user})

    async def end(self, job: str, state: AnswerState) -> None:
        """As a worker would."""
        claimed = await self.system.answers.claim(job, "worker", 5.0)
        assert claimed is not None
        last = {"failed": b'{"type":"error","errorText":"no","code":"x"}', "completed": b'{"type":"finish"}'}[state]
        await self.system.answers.append(claimed[0], Batch("b", 0, [last], state), 5.0)

    def kept(self, job: str) -> list[str]:
        root = self.system.settings.storage.data_dir / "spool" / job
        return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


@pytest.fixture
async def doors(tmp_path: Path) -> AsyncIterator[Doors]:
    allowed = tmp_path / "allowed"
    allowed.mkdir()
    settings = Settings(
        storage=Storage(data_dir=tmp_path / "data"),
        ingest=Ingest(queue=3, max_bytes=20_000, path_list=f"{allowed}, {tmp_path / 'nowhere'}"),
    )
    app = Starlette(
        routes=[*ingest.ROUTES, *jobs.ROUTES],
        exception_handlers={Problem: on_problem, LogUnavailable: on_log_unavailable},
    )
    app.state.gate = Gate(by_header, frozenset())
    async with open_system(settings) as system:
        app.state.system = system
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://server") as client:
            yield Doors(system, client, allowed)


async def test_documents_and_records_become_a_job(doors: Doors) -> None:
    """202 with where to look; what was given is on disk, the job queued, listed and its user's; no speed is known
    before the first job."""
    record = {"collection": "Event", "id": "E1", "fields": {"value": 1.5, "ok": None}}
    posted = await doors.post(json={**BODY, "records": [record], "namespace": "acme"})
    assert posted.status_code == 202
    job = posted.json()["job_id"]
    assert posted.json() == {"job_id": job, "status_url": f"/v1/jobs/{job}", "estimated_wait_s": None}
    assert posted.headers["location"] == f"/v1/jobs/{job}"
    assert doors.kept(job) == ["rows/items.jsonl"]
    status = (await doors.call("GET", f"/v1/jobs/{job}")).json()
    assert (status["status"], status["progress"], status["stages"]) == ("queued", 0, {})
    assert (status["title"], status["namespace"], status["head"]) == ("Pump", "acme", 0)
    assert (await doors.call("GET", "/v1/jobs")).json() == {"jobs": [status]}


async def test_uploads_keep_their_names(doors: Doors) -> None:
    """Files of a form lie in the job's spool below their own names, folders included."""
    files = [("files", (name, b"# Pump\n\nIt moves glycol.")) for name in ("a.md", "deep/er/b.md")]
    posted = await doors.post(files=files, data={"namespace": "acme"})
    assert posted.status_code == 202
    assert doors.kept(posted.json()["job_id"]) == ["files/a.md", "files/deep/er/b.md"]
    status = (await doors.call("GET", posted.json()["status_url"])).json()
    assert (status["title"], status["namespace"]) == ("a.md, deep/er/b.md", "acme")


async def test_files_of_one_name_are_all_kept(doors: Doors) -> None:
    """For the job to say which of them it left out; a name that comes too often is refused."""
    posted = await doors.post(files=[("files", (name, b"# A")) for name in ("a.md", "a.md", "a\\b.md", "a/b.md")])
    assert posted.status_code == 202
    kept = doors.kept(posted.json()["job_id"])
    assert kept == ["files-2/a.md", "files-2/a/b.md", "files/a.md", "files/a/b.md"]
    often = await doors.post(files=[("files", ("a.md", b"# A"))] * 20)
    assert (often.status_code, often.json()["code"]) == (422, "invalid_field")


@pytest.mark.parametrize("name", ["../a.md", "/etc/a.md", "a/../../b.md", ".hidden.md", "a\\..\\..\\b.md", "x" * 300])
async def test_a_name_that_leads_elsewhere_is_refused(doors: Doors, name: str) -> None:
    """And nothing of the upload is kept, also of the files before it."""
    posted = await doors.post(files=[("files", ("good.md", b"# A")), ("files", (name, b"# A"))])
    assert (posted.status_code, posted.json()["code"]) == (422, "invalid_field")
    assert await doors.system.jobs.spool.jobs() == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"documents": []}, 422),
        ({"documents": [{"id": "a"}]}, 422),
        ({"documents": [{"id": "", "text": "x"}]}, 422),
        ({"documents": [{"id": "a", "text": "x", "metadata": {"text": "y"}}]}, 422),
        ({"documents": [{"id": "a", "text": "x", "metadata": {"k": {"deep": 1}}}]}, 422),
        ({"records": [{"collection": "E", "id": "1", "fields": {"v": [1]}}]}, 422),
        ({**BODY, "unknown": 1}, 422),
        ({**BODY, "paths": ["/etc"]}, 422),
        ({"paths": ["/etc"]}, 403),
        ({**BODY, "namespace": "n" * 201}, 422),
    ],
)
async def test_what_is_not_understood_is_refused_whole(doors: Doors, body: Any, status: int) -> None:
    """With a code and the field, before anything is kept."""
    posted = await doors.post(json=body)
    assert (posted.status_code, posted.headers["content-type"]) == (status, "application/problem+json")
    assert await doors.system.jobs.spool.jobs() == []
    assert (await doors.call("GET", "/v1/jobs")).json() == {"jobs": []}


async def test_a_form_without_files_is_refused(doors: Doors) -> None:
    """So are a part without a name and a body that is no form."""
    assert (await doors.post(files=[("other", ("a.md", b"x"))])).status_code == 422
    broken = {"content-type": "multipart/form-data; boundary=x"}
    assert (await doors.post(content=b"--x\r\nnonsense", headers=broken)).status_code in {400, 422}
    assert (await doors.post(content=b"x", headers={"content-type": "multipart/form-data"})).status_code == 400
    assert (await doors.post(content=b"\xff{", headers={"content-type": "application/json"})).status_code == 422


async def test_a_body_that_is_too_large_is_refused(doors: Doors) -> None:
    """JSON and forms alike, as soon as it is."""
    large = "x" * 30_000
    assert (await doors.post(json={"documents": [{**DOCUMENT, "text": large}]})).status_code == 413
    assert (await doors.post(files=[("files", ("a.md", large.encode()))])).status_code == 413
    assert await doors.system.jobs.spool.jobs() == []


async def test_paths_are_taken_from_where_the_operator_allows(doors: Doors, tmp_path: Path) -> None:
    """Not through a link that leads out of there, nor by `..`."""
    (doors.allowed / "notes").mkdir()
    (doors.allowed / "out").symlink_to(tmp_path)
    posted = await doors.post(json={"paths": [str(doors.allowed / "notes")]})
    assert posted.status_code == 202
    (tmp_path / "self").symlink_to("self")
    for path in (doors.allowed / "out", doors.allowed / ".." / "data", tmp_path, tmp_path / "self", "a\0b", "x" * 999):
        assert (await doors.post(json={"paths": [str(path)]})).json()["code"] == "forbidden"


async def test_a_full_queue_refuses_before_it_reads(doors: Doors) -> None:
    """503 with the time to try again, nothing kept; a job that ends makes room. It holds for requests at once, too."""
    posts = await asyncio.gather(*(doors.post(json=BODY) for _ in range(8)))
    assert sorted(post.status_code for post in posts) == [202] * 3 + [503] * 5
    refused = next(post for post in posts if post.status_code == 503)
    assert refused.json()["code"] == "overloaded"
    assert int(refused.headers["retry-after"]) >= 1
    assert len(await doors.system.jobs.spool.jobs()) == 3
    first = next(post for post in posts if post.status_code == 202).json()["job_id"]
    await doors.end(first, AnswerState.COMPLETED)
    assert (await doors.post(json=BODY)).status_code == 202


@dataclass
class Away:
    """The log, which goes away in a call: after it was carried out, when its reply is lost."""

    answers: Any
    call: str
    done: bool

    def __getattr__(self, name: str) -> Any:
        return self._lost if name == self.call else getattr(self.answers, name)

    async def _lost(self, *args: Any, **options: Any) -> Any:
        if self.done:
            await getattr(self.answers, self.call)(*args, **options)
        raise LogUnavailable("away")


async def test_a_job_whose_reply_was_lost_keeps_what_it_was_given(doors: Doors) -> None:
    """It may be in the log: whoever asks again with its key is told of that one, which still has all to be run."""
    log = doors.system.answers
    doors.system.jobs._answers = Away(Away(log, "create", done=True), "of_ask", done=False)
    assert (await doors.post(json=BODY, headers={"Idempotency-Key": "k"})).status_code == 503
    doors.system.jobs._answers = log
    again = await doors.post(json=BODY, headers={"Idempotency-Key": "k"})
    assert again.status_code == 202
    assert await doors.system.jobs.spool.jobs() == [again.json()["job_id"]]


async def test_what_no_job_was_made_for_is_let_go_of(doors: Doors) -> None:
    """A log that did not take the job, and can say so."""
    log = doors.system.answers
    doors.system.jobs._answers = Away(log, "create", done=False)
    assert (await doors.post(json=BODY)).status_code == 503
    assert await doors.system.jobs.spool.jobs() == []


async def test_a_log_that_goes_away_behind_a_job_loses_nothing_of_it(doors: Doors) -> None:
    """It was made: it is accepted, only without a word on how long it may take."""
    log = doors.system.answers
    doors.system.jobs.admit = _nothing  # type: ignore[method-assign]
    doors.system.jobs._answers = Away(log, "claimable", done=False)
    posted = await doors.post(json=BODY)
    assert (posted.status_code, posted.json()["estimated_wait_s"]) == (202, None)
    assert doors.kept(posted.json()["job_id"]) == ["rows/items.jsonl"]


async def _nothing() -> None:
    """Nobody waits."""


class Raced(Spool):
    """Another request drops what it has kept between any listing and the first look at it."""

    async def jobs(self) -> list[str]:
        return [*await super().jobs(), "dropped-meanwhile"]


async def test_what_another_request_drops_is_no_fault_of_this_one(doors: Doors) -> None:
    """A job is accepted while others, which are refused, let go of what they had kept."""
    jobs = doors.system.jobs
    jobs.spool = Raced(doors.system.settings.storage.data_dir / "spool")
    assert (await doors.post(json=BODY)).status_code == 202
    assert await jobs.spool.written_at("dropped-meanwhile") is None


async def test_the_wait_is_told_from_the_last_jobs_speed(doors: Doors) -> None:
    """What waits before it and the job itself, by bytes; `Retry-After` is made of the same."""
    await doors.system.knowledge.ledger.measured(1_000, 10.0)
    first = (await doors.post(json=BODY)).json()["estimated_wait_s"]
    second = (await doors.post(json=BODY)).json()["estimated_wait_s"]
    assert 0 < first < second == pytest.approx(2 * first, abs=0.2)


async def test_a_key_makes_a_submission_idempotent(doors: Doors) -> None:
    """The same key again is the same job, kept once; another user's same key is another job."""
    keyed = {"Idempotency-Key": "k1"}
    first, again = [await doors.post(json=BODY, headers=keyed) for _ in range(2)]
    assert first.json()["job_id"] == again.json()["job_id"]
    assert await doors.system.jobs.spool.jobs() == [first.json()["job_id"]]
    other = await doors.post(json=BODY, headers=keyed, user="bob")
    assert other.json()["job_id"] != first.json()["job_id"]


async def test_a_job_is_its_users_alone(doors: Doors) -> None:
    """To another user it does not exist, by any door."""
    job = (await doors.post(json=BODY)).json()["job_id"]
    doors_of_it = [("GET", ""), ("DELETE", ""), ("GET", "/events"), ("POST", "/retry")]
    for method, path in doors_of_it:
        refused = await doors.call(method, f"/v1/jobs/{job}{path}", user="bob")
        assert (refused.status_code, refused.json()["code"]) == (404, "not_found")
    assert (await doors.call("GET", "/v1/jobs", user="bob")).json() == {"jobs": []}
    assert (await doors.call("GET", f"/v1/jobs/{job}")).json()["status"] == "queued"


async def test_an_answer_is_no_job(doors: Doors) -> None:
    """Its id leads nowhere here."""
    assert (await doors.call("GET", "/v1/jobs/0123456789abcdef")).status_code == 404


async def test_cancelling_asks_and_an_ended_job_stays(doors: Doors) -> None:
    """202 while it is to be ended by who runs it, 200 for one that has."""
    job = (await doors.post(json=BODY)).json()["job_id"]
    assert (await doors.call("DELETE", f"/v1/jobs/{job}")).status_code == 202
    await doors.end(job, AnswerState.COMPLETED)
    late = await doors.call("DELETE", f"/v1/jobs/{job}")
    assert (late.status_code, late.json()["status"], late.json()["progress"]) == (200, "completed", 100)


async def test_a_failed_job_is_tried_again_as_a_new_one(doors: Doors) -> None:
    """Over what the first was given, once however often it is asked for; a job that runs or is completed is refused."""
    job = (await doors.post(json=BODY)).json()["job_id"]
    refused = await doors.call("POST", f"/v1/jobs/{job}/retry")
    assert (refused.status_code, refused.json()["code"]) == (409, "not_ended")
    await doors.end(job, AnswerState.FAILED)
    again = [await doors.call("POST", f"/v1/jobs/{job}/retry") for _ in range(2)]
    assert [reply.status_code for reply in again] == [202, 202]
    assert again[0].json()["job_id"] == again[1].json()["job_id"] != job
    status = (await doors.call("GET", again[0].json()["status_url"])).json()
    assert (status["status"], status["retry_of"], status["title"]) == ("queued", job, "Pump")
    failed = (await doors.call("GET", f"/v1/jobs/{job}")).json()
    assert (failed["status"], failed["error"]) == ("failed", {"code": "x", "message": "no"})


async def test_a_draining_server_takes_no_job(doors: Doors) -> None:
    """503, to be tried again at the one that takes its place."""
    doors.system.draining = True
    refused = await doors.post(json=BODY)
    assert (refused.status_code, refused.json()["code"]) == (503, "draining")
    doors.system.draining = False


async def test_a_disk_that_takes_nothing_is_told(doors: Doors) -> None:
    """503 and no job; the next one is taken again."""
    spool = doors.system.settings.storage.data_dir / "spool"
    spool.write_text("in the way")
    refused = await doors.post(json=BODY)
    assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
    assert (await doors.call("GET", "/v1/jobs")).json() == {"jobs": []}
    spool.unlink()
    assert (await doors.post(json=BODY)).status_code == 202
    shutil.rmtree(spool)
