"""The supervisor and the zygote, with processes that are killed, that fail and that do not want to end."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

from cloudly_local.proc import ProcessIdentity, thread_count
from cloudly_local.testing import SmallSuite, eventually


def is_gone(pid: int) -> bool:
    return ProcessIdentity.of(pid) is None


def test_a_killed_child_comes_back(small_suite: SmallSuite) -> None:
    small_suite.start("a=steady", "b=serving").wait_until_ready()
    before = small_suite.of("a")
    os.kill(before.pid, signal.SIGKILL)
    eventually(lambda: small_suite.of("a").restarts == 1 and small_suite.of("a").healthy, "it runs again")
    assert small_suite.of("a").pid != before.pid
    assert small_suite.of("b").restarts == 0
    small_suite.stop()


def test_a_killed_zygote_comes_back_with_its_children(small_suite: SmallSuite) -> None:
    small_suite.start("a=steady", "b=serving", "c=stubborn").wait_until_ready()
    before = {name: small_suite.of(name).pid for name in ("zygote", "a", "b", "c")}
    os.kill(before["zygote"], signal.SIGKILL)
    eventually(lambda: all(is_gone(pid) for pid in before.values()), "none of the old processes is left")
    eventually(lambda: all(small_suite.of(name).healthy for name in before), "all run again")
    assert not set(before.values()) & {small_suite.of(name).pid for name in before}


def test_when_the_supervisor_is_killed_its_processes_end(small_suite: SmallSuite) -> None:
    small_suite.start("a=steady", "b=serving", "c=stubborn").wait_until_ready()
    pids = [small_suite.of(name).pid for name in ("zygote", "a", "b", "c")]
    small_suite.kill_supervisor()
    eventually(lambda: all(is_gone(pid) for pid in pids), "all have ended")


def test_the_next_start_reclaims_what_two_killed_parents_left_behind(small_suite: SmallSuite) -> None:
    small_suite.start("c=stubborn").wait_until_ready()
    zygote, orphan = small_suite.of("zygote").pid, small_suite.of("c").pid
    os.kill(zygote, signal.SIGSTOP)
    small_suite.kill_supervisor()
    os.kill(zygote, signal.SIGKILL)
    eventually(lambda: is_gone(zygote), "the zygote has ended")
    assert not is_gone(orphan)
    small_suite.start("c=stubborn").wait_until_ready()
    assert is_gone(orphan)
    assert small_suite.events("orphan.killed")


def test_a_process_that_has_the_pid_of_an_old_one_is_left_alone(small_suite: SmallSuite) -> None:
    small_suite.start("a=steady").wait_until_ready()
    small_suite.stop()
    foreign = subprocess.Popen(["sleep", "60"])
    eventually(lambda: Path(f"/proc/{foreign.pid}/comm").read_text().strip() == "sleep", "it has become sleep")
    identity = ProcessIdentity.of(foreign.pid)
    assert identity is not None
    for name, change in {"clock": {"start_ticks": 1}, "boot": {"boot": "another"}, "words": {"command": "x"}}.items():
        (small_suite.data / "run" / f"{name}.pid").write_text(json.dumps({**vars(identity), **change}))
    small_suite.start("a=steady").wait_until_ready()
    assert foreign.poll() is None
    assert not small_suite.events("orphan.ending")
    small_suite.stop()
    foreign.kill()
    foreign.wait()


def test_stopping_kills_whoever_does_not_end_and_leaves_nothing(small_suite: SmallSuite) -> None:
    small_suite.start("a=steady", "b=serving", "c=stubborn").wait_until_ready()
    pids = [small_suite.of(name).pid for name in ("zygote", "a", "b", "c")]
    small_suite.stop()
    assert small_suite.process is not None
    assert small_suite.process.returncode == 0
    assert all(is_gone(pid) for pid in pids)
    assert [json.loads(line)["process"] for line in small_suite.events("process.killed")] == ["c"]
    assert not list((small_suite.data / "run").glob("*.pid"))


def test_told_to_stop_twice_it_waits_for_nobody(small_suite: SmallSuite) -> None:
    small_suite.start("c=stubborn").wait_until_ready()
    assert small_suite.process is not None
    small_suite.process.send_signal(signal.SIGINT)
    eventually(lambda: small_suite.events("suite.stopping"), "it is stopping")
    small_suite.process.send_signal(signal.SIGINT)
    assert small_suite.process.wait(5) == 0


def test_nobody_is_stopped_before_those_that_need_it(small_suite: SmallSuite) -> None:
    small_suite.start("first=serving", "second=steady").wait_until_ready()
    first, second = small_suite.of("first").pid, small_suite.of("second").pid
    os.kill(second, signal.SIGSTOP)
    assert small_suite.process is not None
    small_suite.process.send_signal(signal.SIGTERM)
    time.sleep(1)
    assert not is_gone(first)
    os.kill(second, signal.SIGCONT)
    small_suite.process.wait(10)
    assert is_gone(first)


def test_a_crash_loop_is_called_one_and_the_others_run_on(small_suite: SmallSuite) -> None:
    small_suite.start("a=steady", "bad=failing")
    eventually(lambda: small_suite.status() and small_suite.of("bad").state == "crash-loop", "it is a crash loop")
    told = json.loads(small_suite.events("process.crash_loop")[0])
    assert told["process"] == "bad"
    assert "ValueError: as every time" in Path(told["log"]).read_text()
    assert small_suite.of("bad").detail == "ended with status 1"
    assert small_suite.of("a").healthy
    status = small_suite.status()
    assert status is not None
    assert not status.ready
    small_suite.stop()


def test_a_second_supervisor_in_the_same_directory_does_not_start(small_suite: SmallSuite) -> None:
    small_suite.start("a=steady").wait_until_ready()
    second = small_suite.again().start("a=steady")
    assert second.process is not None
    assert second.process.wait(10) == 3
    assert small_suite.of("a").healthy
    small_suite.stop()


def test_a_fork_sees_its_own_environment_and_nothing_of_its_parent(small_suite: SmallSuite, place: Path) -> None:
    os.environ["TELL"] = str(place / "told")
    small_suite.start("a=telling").wait_until_ready()
    del os.environ["TELL"]
    assert thread_count(small_suite.of("zygote").pid) == 1
    seen = json.loads((place / "told").read_text())
    assert seen["threads"] == 1
    assert seen["session"]
    log = str(small_suite.data / "logs" / "a.log")
    assert sorted(seen["descriptors"]) == sorted(["/dev/null", log, log])
    small_suite.stop()
