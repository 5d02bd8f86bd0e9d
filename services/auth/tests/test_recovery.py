"""`cloudly-auth-admin reset-password`, as the owner of the host runs it: the program, on the database itself."""

import asyncio
import getpass
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cloudly.auth.v1 import audit_pb2, audit_pb2_grpc, user_pb2
from cloudly_auth.config import Settings
from cloudly_kit.errors import CredentialsInvalid, TokenRevoked
from google.protobuf.field_mask_pb2 import FieldMask

from .test_factors import enrol

CHOSEN = "my very own passphrase"


async def run(settings: Settings, *arguments: str, typed: str = "", **changes: str) -> subprocess.CompletedProcess[str]:
    environment = {
        "MONGODB_URL": settings.mongodb_url.get_secret_value(),
        "MONGODB_NAME": settings.mongodb_name,
        "REDIS_URL": settings.redis_url.get_secret_value(),
        "CLOUDLY_DATA_DIR": str(settings.data_dir),
        **changes,
    }
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "cloudly_auth.admin", "reset-password", *arguments],
        input=typed,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **environment},
    )


async def told(auth, token: str) -> audit_pb2.AuditEntry:
    """What the audit log has of the command, once auth has chained it."""
    stub = audit_pb2_grpc.AuditServiceStub(auth.channel(token))
    request = audit_pb2.ListAuditEntriesRequest(filter='method = "host.reset-password"')
    async with asyncio.timeout(20):
        while not (entries := (await stub.ListAuditEntries(request)).entries):
            await asyncio.sleep(0.1)
    return entries[0]


async def test_a_lost_admin_comes_back_without_a_login(auth, settings: Settings):
    token = await auth.admin()
    ada = await auth.add_user("Ada", "viewer", token=token)
    session = await auth.login("Ada")
    await auth.users(token).UpdateUser(
        user_pb2.UpdateUserRequest(
            user=user_pb2.User(id=ada.id, disabled=True), update_mask=FieldMask(paths=["disabled"])
        )
    )
    done = await run(settings, "ada", "--password-stdin", "--admin", typed=f"{CHOSEN}\n")
    assert done.returncode == 0, done.stderr
    assert CHOSEN not in done.stdout + done.stderr
    with pytest.raises(CredentialsInvalid):
        await auth.login("ada")
    back = await auth.login("ada", CHOSEN)
    assert list(back.identity.roles) == ["admin", "viewer"]
    with pytest.raises(TokenRevoked):
        await auth.identity(session.access_token)
    entry = await told(auth, back.access_token)
    assert (entry.actor.id, entry.resource.kind, entry.resource.name) == ("host", "user", "ada")
    assert entry.actor.name.startswith(f"{getpass.getuser()}@")
    assert ada.id in {change.resource.id for change in entry.changes}
    assert json.loads(entry.request) == {"admin": True, "generate": False, "resetFactors": False}
    # Without Redis, as with a suite that is stopped; the sessions' end is in the database all the same.
    done = await run(settings, "ada", "--generate", REDIS_URL="redis://127.0.0.1:1/0")
    assert done.returncode == 0, done.stderr
    password = done.stdout.strip().rpartition(": ")[2]
    assert (await auth.login("ada", password)).identity.id == ada.id
    with pytest.raises(TokenRevoked):
        await auth.refresh(back.refresh_token)


@pytest.mark.parametrize(
    ("arguments", "typed", "changes", "said"),
    [
        (["nobody", "--generate"], "", {}, "there is no user 'nobody'"),
        (["root", "--password-stdin"], "short\n", {}, "at least 10 characters"),
        (["root", "--generate"], "", {"CLOUDLY_DATA_DIR": "/nonexistent"}, "has to run on Cloudly's host"),
    ],
)
async def test_what_cannot_be_done_is_said(
    auth, settings: Settings, arguments: Any, typed: str, changes: Any, said: str
):
    done = await run(settings, *arguments, typed=typed, **changes)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not Path("/nonexistent").exists()


async def test_who_has_lost_the_second_factor_too_comes_back(auth, settings: Settings):
    await enrol(auth, await auth.admin())
    done = await run(settings, "root", "--password-stdin", typed=f"{CHOSEN}\n")
    assert "--reset-factors" in done.stdout, done.stderr
    assert (await auth.login("root", CHOSEN)).challenge.token
    done = await run(settings, "root", "--password-stdin", "--reset-factors", typed=f"{CHOSEN}\n")
    assert done.returncode == 0, done.stderr
    assert "--reset-factors" not in done.stdout
    assert (await auth.login("root", CHOSEN)).access_token
