"""Jobs: long work that survives the death of whoever does it.

A task (`@task`) is work that a service knows by name; an execution is one run of it: a record in the owner's database
first, an arq job second. A worker (`run_worker`) takes it under a short renewed lease, with an attempt number as fence,
goes on from the last checkpoint, and is replaced about ten seconds after its death. What Redis forgets, upkeep enqueues
again.

    task.py        a task as data                     queue.py    arq's queue and its keys
    executions.py  the records and their transitions  log.py      lines: a Redis stream, kept in Mongo at the end
    run.py         what a task function holds         attempt.py  one attempt: begin, do, end
    worker.py      the process that makes attempts    upkeep.py   nothing is lost, nothing hangs for ever
    schedule.py    cron slots, each planned once      servicer.py cloudly.executions.v1 over all of it
"""

from cloudly_kit.jobs.executions import Execution, Executions, State
from cloudly_kit.jobs.run import Fenced, Run
from cloudly_kit.jobs.servicer import ExecutionServicer, TaskServicer, serve_jobs
from cloudly_kit.jobs.task import Task, task
from cloudly_kit.jobs.upkeep import Upkeep
from cloudly_kit.jobs.worker import add_worker, run_worker

__all__ = [
    "Execution",
    "ExecutionServicer",
    "Executions",
    "Fenced",
    "Run",
    "State",
    "Task",
    "TaskServicer",
    "Upkeep",
    "add_worker",
    "run_worker",
    "serve_jobs",
    "task",
]
