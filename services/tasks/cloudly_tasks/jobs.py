"""The operational tasks of tasks itself: thin, each loads, calls the domain, records."""

from datetime import UTC, datetime

from cloudly_kit.jobs import Run, Task, task
from cloudly_kit.jobs.task import Result

from cloudly_tasks.health import HealthChecks


@task(
    "health-check",
    timeout_seconds=300,
    description="Asks every service whether it serves, and writes down since when it does or does not.",
    category="operations",
    schedule="*/5 * * * *",
)
async def health_check(run: Run, checks: HealthChecks) -> Result:
    """Ask all services; those that do not serve are in the result under `away`."""
    serving, away = [], {}
    for done, service in enumerate(checks.services, start=1):
        found = await checks.check(service, datetime.now(UTC))
        if found.serving:
            serving.append(service)
            await run.log(f"{service} serves ({found.took_ms} ms)")
        else:
            away[service] = found.error
            await run.log(f"{service} does not serve since {found.since_time:%Y-%m-%dT%H:%MZ}: {found.error}", "error")
        await run.progress(done, len(checks.services), service)
    return {"serving": serving, "away": away}


TASKS: tuple[Task[HealthChecks], ...] = (health_check,)
