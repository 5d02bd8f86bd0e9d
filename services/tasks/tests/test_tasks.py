"""Tasks and executions of all services through the tasks service, by gRPC."""

import asyncio

import pytest
from cloudly.executions.v1 import execution_pb2 as pb
from cloudly.executions.v1.execution_pb2_grpc import ExecutionServiceStub
from cloudly.tasks.v1 import task_pb2
from cloudly.tasks.v1.task_pb2_grpc import TaskServiceStub
from cloudly_kit.errors import InvalidArgument, InvalidPageToken, NotFound, PermissionDenied, Unavailable
from google.protobuf import json_format


async def run(tasks, name, request_id="", **parameters):
    request = task_pb2.RunTaskRequest(task=name, request_id=request_id)
    request.parameters.update(parameters)
    return (await tasks.RunTask(request)).execution


async def until(executions, execution_id, *states, seconds=20):
    async with asyncio.timeout(seconds):
        while True:
            answer = await executions.GetExecution(pb.GetExecutionRequest(execution_id=execution_id))
            if answer.execution.state in states:
                return answer.execution
            await asyncio.sleep(0.1)


async def ids(executions, page_size, **fields):
    found, token = [], ""
    while True:
        request = pb.ListExecutionsRequest(page_size=page_size, page_token=token, **fields)
        page = await executions.ListExecutions(request)
        assert len(page.executions) <= page_size
        found += [execution.id for execution in page.executions]
        token = page.next_page_token
        if not token:
            return found


async def test_the_tasks_of_all_services_that_answer_are_one_list(house):
    await house.tasks()
    await house.neighbour("baseos")
    tasks = TaskServiceStub(await house.channel("viewer"))
    listed = (await tasks.ListTasks(task_pb2.ListTasksRequest())).tasks
    assert [(task.name, task.schedule) for task in listed] == [("health-check", "*/5 * * * *"), ("sweep", "")]


async def test_the_health_check_asks_every_service_and_says_who_is_away(house):
    await house.tasks()
    await house.neighbour("baseos")
    await house.worker()
    channel = await house.channel("admin")
    made = await run(TaskServiceStub(channel), "health-check")
    executions = ExecutionServiceStub(channel)
    done = await until(executions, made.id, pb.EXECUTION_STATE_SUCCEEDED)
    result = json_format.MessageToDict(done.result)
    assert result["serving"] == ["baseos", "tasks"]
    assert sorted(result["away"]) == ["auth", "backups", "clusters", "registry"]
    lines = [
        response.log_line
        async for response in executions.WatchExecution(pb.WatchExecutionRequest(execution_id=made.id))
        if response.HasField("log_line")
    ]
    assert [line.severity for line in lines].count("error") == 4
    listed = (await TaskServiceStub(channel).ListTasks(task_pb2.ListTasksRequest())).tasks
    assert listed[0].last_run_time == done.create_time


async def test_a_task_is_run_at_its_owner_once_for_a_request(house):
    await house.tasks()
    await house.neighbour("baseos")
    tasks = TaskServiceStub(await house.channel("operator"))
    made = await run(tasks, "sweep", request_id="r1", depth=2)
    assert (made.id.split("-")[0], made.actor, made.trigger) == ("baseos", "someone", "manual")
    assert json_format.MessageToDict(made.parameters) == {"depth": 2.0}
    assert (await run(tasks, "sweep", request_id="r1", depth=2)).id == made.id
    with pytest.raises(InvalidArgument):
        await run(tasks, "sweep", request_id="r1", depth=3)


async def test_an_unknown_task_is_not_found_only_when_all_were_asked(house):
    await house.tasks()
    tasks = TaskServiceStub(await house.channel("admin"))
    with pytest.raises(Unavailable):
        await run(tasks, "dance")
    for name in ("registry", "clusters", "backups", "baseos"):
        await house.neighbour(name)
    with pytest.raises(NotFound):
        await run(tasks, "dance")


async def test_a_viewer_sees_executions_and_starts_none(house):
    await house.tasks()
    channel = await house.channel("viewer")
    assert await ids(ExecutionServiceStub(channel), 10) == []
    with pytest.raises(PermissionDenied):
        await run(TaskServiceStub(channel), "health-check")


async def test_an_execution_is_watched_and_cancelled_through_its_owner(house):
    await house.tasks()
    await house.neighbour("baseos")
    await house.worker("baseos")
    channel = await house.channel("admin")
    executions = ExecutionServiceStub(channel)
    made = await run(TaskServiceStub(channel), "sweep")

    async def watch():
        request = pb.WatchExecutionRequest(execution_id=made.id)
        return [response async for response in executions.WatchExecution(request)]

    watching = asyncio.create_task(watch())
    await until(executions, made.id, pb.EXECUTION_STATE_RUNNING)
    await executions.CancelExecution(pb.CancelExecutionRequest(execution_id=made.id))
    seen = await asyncio.wait_for(watching, 20)
    assert seen[-1].execution.state == pb.EXECUTION_STATE_CANCELLED


async def test_an_id_of_nobody_is_not_found(house):
    await house.tasks()
    executions = ExecutionServiceStub(await house.channel("admin"))
    for execution_id in ("nobody-aaaa", "tasks-aaaa", "x"):
        with pytest.raises(NotFound):
            await executions.GetExecution(pb.GetExecutionRequest(execution_id=execution_id))


async def test_executions_of_all_services_are_one_list_newest_first_without_gaps_or_repeats(house):
    await house.tasks()
    for name in ("registry", "clusters", "backups", "baseos"):
        await house.neighbour(name)
    channel = await house.channel("admin")
    tasks, executions = TaskServiceStub(channel), ExecutionServiceStub(channel)
    mixed = ["health-check", "sweep", "sweep", "health-check"] * 4
    made = [(await run(tasks, name)).id for name in mixed]
    for page_size in (1, 3, 5, 16, 50):
        assert await ids(executions, page_size) == made[::-1]
    assert await ids(executions, 3, filter='task = "sweep"') == [id for id in made[::-1] if not id.startswith("tasks-")]


async def test_a_list_goes_on_unmoved_while_others_create(house):
    await house.tasks()
    await house.neighbour("baseos")
    channel = await house.channel("admin")
    tasks, executions = TaskServiceStub(channel), ExecutionServiceStub(channel)
    made = [(await run(tasks, name)).id for name in ["health-check", "sweep"] * 3]
    first = await executions.ListExecutions(pb.ListExecutionsRequest(page_size=2))
    for name in ["health-check", "sweep"] * 3:
        await run(tasks, name)
    rest = await executions.ListExecutions(pb.ListExecutionsRequest(page_size=50, page_token=first.next_page_token))
    assert [execution.id for page in (first, rest) for execution in page.executions] == made[::-1]


async def test_an_owner_that_is_away_is_left_out_and_back_on_the_next_page(house):
    await house.tasks()
    neighbour = await house.neighbour("baseos")
    channel = await house.channel("admin")
    tasks, executions = TaskServiceStub(channel), ExecutionServiceStub(channel)
    made = [(await run(tasks, name)).id for name in ["sweep", "health-check"] * 3]
    await neighbour.aclose()
    first = await executions.ListExecutions(pb.ListExecutionsRequest(page_size=1))
    assert [execution.id for execution in first.executions] == [made[5]]
    await house.neighbour("baseos")
    rest = await executions.ListExecutions(pb.ListExecutionsRequest(page_size=50, page_token=first.next_page_token))
    assert [execution.id for execution in rest.executions] == made[4::-1]


async def test_a_token_of_another_list_is_refused(house):
    await house.tasks()
    channel = await house.channel("admin")
    executions = ExecutionServiceStub(channel)
    for _ in range(2):
        await run(TaskServiceStub(channel), "health-check")
    first = await executions.ListExecutions(pb.ListExecutionsRequest(page_size=1))
    for request in (
        pb.ListExecutionsRequest(page_token=first.next_page_token, filter='task = "sweep"'),
        pb.ListExecutionsRequest(page_token="nonsense"),
    ):
        with pytest.raises(InvalidPageToken):
            await executions.ListExecutions(request)
    with pytest.raises(InvalidArgument):
        await executions.ListExecutions(pb.ListExecutionsRequest(filter="colour = 1"))
