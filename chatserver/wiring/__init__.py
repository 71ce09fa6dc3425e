"""Puts the system together. The only package that names concrete adapters."""

from chatserver.wiring.access import issue_token, open_verifier
from chatserver.wiring.answers import open_answers, reach_answers
from chatserver.wiring.care import back_up_data, erase_user, file_faults, restore_data
from chatserver.wiring.embedder import reach_cache
from chatserver.wiring.graph import reach_graph
from chatserver.wiring.jobs import Here, feeding, jobs_of, open_jobs, open_keeper, open_worker
from chatserver.wiring.knowledge import Holdings, Knowledge, open_holdings, open_knowledge, reembed_knowledge
from chatserver.wiring.migration import open_migration
from chatserver.wiring.pipeline import open_pipeline
from chatserver.wiring.roster import reach_workers
from chatserver.wiring.system import System, open_system
from chatserver.wiring.vectors import reach_vectors

__all__ = [
    "Here",
    "Holdings",
    "Knowledge",
    "System",
    "back_up_data",
    "erase_user",
    "feeding",
    "file_faults",
    "issue_token",
    "jobs_of",
    "open_answers",
    "open_holdings",
    "open_jobs",
    "open_keeper",
    "open_knowledge",
    "open_migration",
    "open_pipeline",
    "open_system",
    "open_verifier",
    "open_worker",
    "reach_answers",
    "reach_cache",
    "reach_graph",
    "reach_vectors",
    "reach_workers",
    "reembed_knowledge",
    "restore_data",
]
