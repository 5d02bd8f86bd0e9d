"""The agent's connection and what it keeps: deaths, silences, refusals, and life without Cloudly."""

import asyncio
import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
from cloudly.coreflow.v1 import coreflow_pb2

from tests.loop import Agent

from .planes import RUNNING, ControlPlane

pytestmark = [pytest.mark.docker, pytest.mark.timeout(240)]


async def test_an_agent_killed_in_the_middle_of_an_update_completes_it(plane, agent):
    await plane.done(plane.wish("local/web:one", replicas=2))
    version = plane.wish("local/web:two", replicas=2)
    await asyncio.sleep(0.3)
    agent.kill()
    agent.start()
    await plane.done(version)
    images = {d.image for d in plane.seen().deployments if d.state == RUNNING}
    assert images == {"local/web:two"}
    first, last = plane.hellos[0], plane.hellos[-1]
    assert (first.agent_id, first.instance_id != last.instance_id) == (last.agent_id, True)
    assert last.held_version == version
    assert last.held_hash == plane.push().hash


async def test_an_agent_that_starts_without_cloudly_keeps_the_last_configuration(plane, agent, engine):
    await plane.done(plane.wish("local/web:one"))
    agent.kill()
    await plane.server.stop(0)
    engine.docker("service", "rm", "web-wwwwwwww")
    agent.start()
    await plane.until("its being made again", lambda: engine.docker("ps", "-q", "--filter", "name=web-wwwwwwww"))
    # Cloudly comes back where it was, and gets the agent back by itself.
    back = ControlPlane(plane.port)
    back.workloads, back.version = plane.workloads, plane.version
    await back.server.start()
    await back.done(plane.version)
    assert not back.push(back.hellos[-1].held_hash).HasField("configuration")
    await back.server.stop(0)


async def test_a_configuration_that_does_not_match_its_hash_is_rejected_and_the_last_one_stays(plane, agent):
    version = plane.wish("local/web:one")
    await plane.done(version)
    right = plane.push
    plane.push = lambda held: coreflow_pb2.ConfigPush(
        version=99, nonce="bad", hash="0" * 64, configuration=right().configuration
    )
    plane.send()
    await plane.until("the rejection", lambda: plane.receipts[-1].outcome == coreflow_pb2.CONFIG_OUTCOME_REJECTED)
    assert plane.receipts[-1].reason
    plane.push = lambda held: coreflow_pb2.ConfigPush(version=100, nonce="other", hash="1" * 64)
    plane.send()
    await plane.until("the second", lambda: plane.receipts[-1].nonce == "other")
    assert plane.receipts[-1].outcome == coreflow_pb2.CONFIG_OUTCOME_REJECTED
    assert plane.is_done(version)


async def test_a_configuration_of_another_cluster_is_rejected(plane, agent):
    await plane.done(plane.wish("local/web:one"))
    other = coreflow_pb2.Configuration(cluster_id="x" * 20)
    hash_ = hashlib.sha256(other.SerializeToString(deterministic=True)).hexdigest()
    plane.push = lambda held: coreflow_pb2.ConfigPush(version=9, nonce="x", hash=hash_, configuration=other)
    plane.send()
    await plane.until("the rejection", lambda: plane.receipts[-1].outcome == coreflow_pb2.CONFIG_OUTCOME_REJECTED)
    assert plane.seen().ready_replicas == 1


async def test_a_drained_agent_connects_again_and_a_silent_server_is_left(plane, agent):
    await plane.until("the first connection", lambda: plane.hellos)
    plane.drains += 1
    plane.changed.set()
    await plane.until("the second", lambda: len(plane.hellos) == 2)
    plane.silent = True
    await plane.until("the third", lambda: len(plane.hellos) == 3)
    # The token is still good: nobody logs in three times.
    assert plane.logins == 1


async def test_a_wrong_jump_code_is_told_and_the_agent_lives_on(plane, engine, tmp_path):
    stranger = Agent(f"http://127.0.0.1:{plane.port}", "stolen", engine.host, tmp_path, 0)
    stranger.start()
    await plane.until("the refusal", lambda: "link.refused" in stranger.log_tail())
    await asyncio.sleep(3)
    assert stranger.process.poll() is None
    assert plane.logins == 1
    assert "stolen" not in stranger.log_tail()
    stranger.stop()


async def test_state_that_cannot_be_read_is_put_aside_and_asked_for_again(plane, agent, tmp_path):
    await plane.done(plane.wish("local/web:one"))
    agent.stop()
    for name in ("configuration.pb", "attempts.json", "agent.json"):
        (tmp_path / "state" / name).write_bytes(b"\xff{")
    agent.start()
    await plane.until("the new connection", lambda: len(plane.hellos) == 2)
    assert plane.hellos[-1].held_version == 0
    await plane.done(plane.version)
    assert (tmp_path / "state" / "configuration.pb.unreadable").exists()


async def test_a_second_agent_on_the_same_state_directory_ends_with_a_message(plane, agent, tmp_path):
    await plane.until("the connection", lambda: plane.hellos)
    program = Path(sys.executable).with_name("coreflow")
    second = await asyncio.to_thread(
        subprocess.run, [program], env=agent._environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert second.returncode == 1
    assert "another coreflow runs" in second.stderr
    assert agent.process.poll() is None


def test_missing_settings_are_named():
    program = Path(sys.executable).with_name("coreflow")
    done = subprocess.run([program], env={"PATH": "/bin"}, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "CLOUDLY_URL" in done.stderr
    assert "JUMPCODE" in done.stderr
