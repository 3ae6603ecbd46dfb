"""ectojob: a transactional job queue whose state machine lives in the database, and its thin Python client."""

from importlib.metadata import version

from ectojob_py.client import Jobs
from ectojob_py.client_async import AsyncJobs
from ectojob_py.errors import (
    HandlerError,
    JobNotFailed,
    JobsError,
    LeaseLost,
    QueueNotEmpty,
    Retry,
    SetupError,
    UnknownQueue,
)
from ectojob_py.handler import AsyncHandler, AsyncPerform, AsyncPerformBatch, Handler, Perform, PerformBatch
from ectojob_py.job import Job
from ectojob_py.worker import Worker

__version__ = version("ectojob")
__all__ = [
    "AsyncHandler",
    "AsyncJobs",
    "AsyncPerform",
    "AsyncPerformBatch",
    "Handler",
    "HandlerError",
    "Job",
    "JobNotFailed",
    "Jobs",
    "JobsError",
    "LeaseLost",
    "Perform",
    "PerformBatch",
    "QueueNotEmpty",
    "Retry",
    "SetupError",
    "UnknownQueue",
    "Worker",
]
