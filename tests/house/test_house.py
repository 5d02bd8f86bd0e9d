"""The rules of the house, each with the fault it keeps out. An escape names its reason here."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SERVICES = ("auth", "registry", "clusters", "backups", "baseos", "tasks")
ANATOMY = ("main.py", "config.py", "servicer|servicers", "store.py", "jobs.py", "events.py")


def tracked(*suffixes: str) -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True).stdout
    return [ROOT / name for name in listed.split("\0") if name.endswith(suffixes) and (ROOT / name).is_file()]


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_has_the_same_anatomy(service):
    # Who knows one service knows all: the same file names for the same duties.
    package = ROOT / "services" / service / f"cloudly_{service}"
    missing = [
        part
        for part in ANATOMY
        if not any((package / name).exists() or (package / f"{name}.py").exists() for name in part.split("|"))
    ]
    assert missing == []
    assert (ROOT / "services" / service / "pyproject.toml").exists()
    assert list((ROOT / "services" / service / "tests").glob("test_*.py")), "no tests"


def test_domain_files_know_neither_grpc_nor_the_database_driver():
    # Rules that know their transport or storage cannot be read, or tested, without them.
    edges = {"main.py", "servicer.py", "store.py", "peers.py", "__init__.py"}
    wrong = []
    for service in SERVICES:
        package = ROOT / "services" / service / f"cloudly_{service}"
        for path in package.rglob("*.py"):
            inside = path.relative_to(package).parts
            if path.name in edges or inside[0] in ("servicer", "servicers", "http"):
                continue
            wrong += [
                f"{path.relative_to(ROOT)}: {name}"
                for name in imports(path)
                if name.split(".")[0] in {"grpc", "motor", "pymongo"}
            ]
    assert wrong == []


def imports(path: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.append(node.module)
    return found


def test_only_the_store_knows_the_database_driver():
    # motor is at its end: one place to change when it goes. The runtime makes the connection, testing makes databases,
    # and the server, the reader of events and the audit journal tell the driver's failures from the callers'.
    allowed = {"runtime.py", "testing.py", "rpc_server.py", "events.py", "journal.py"}
    wrong = []
    for path in tracked(".py"):
        if (
            "/store/" in str(path)
            or path.name in allowed
            or "/tests/" in str(path)
            or path.parts[-2] in ("bench", "tests")
        ):
            continue
        wrong += [
            f"{path.relative_to(ROOT)}: {name}" for name in imports(path) if name.split(".")[0] in {"motor", "pymongo"}
        ]
    assert wrong == []


def test_lock_files_name_no_registry():
    # A recorded address breaks the installation for everybody who reaches packages another way.
    for path in tracked("requirements.lock", "package-lock.json"):
        assert not re.search(r"https?://[^\"\s]*(pypi|npm|registry|files\.pythonhosted)", path.read_text()), path


def test_no_file_grows_beyond_what_one_can_read():
    # 400 lines of source, 600 of tests: look again, split by reason to change.
    long = []
    for path in tracked(".py", ".ts"):
        if path.name == "schema.ts":
            continue  # made from the OpenAPI document, never read by people
        lines = len(path.read_text().splitlines())
        limit = 600 if "tests" in path.parts else 400
        if lines > limit:
            long.append(f"{path.relative_to(ROOT)}: {lines}")
    assert long == []


def test_nothing_is_left_for_later():
    # A note in the code that something is missing is a defect called done.
    words = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
    here = Path(__file__)
    marked = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in tracked(".py", ".ts", ".proto", ".yaml", ".yml", ".toml")
        if path != here
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if words.search(line) and "XXX" not in line.replace("XXXX", "")
    ]
    assert marked == []


def test_every_module_says_what_it_is_for():
    silent = []
    for path in tracked(".py"):
        text = path.read_text()
        if text.strip() and "tests" not in path.parts and ast.get_docstring(ast.parse(text)) is None:
            silent.append(str(path.relative_to(ROOT)))
    assert silent == []


def test_every_environment_variable_is_documented():
    # docs/configuration.md and docs/errors.md are made from the code; a stale page misleads.
    answer = subprocess.run([sys.executable, ROOT / "docs" / "generate.py", "--check"], cwd=ROOT, check=False)
    assert answer.returncode == 0, "run `make docs`"


def test_the_readme_names_only_commands_that_exist():
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))
    readme = (ROOT / "README.md").read_text() + (ROOT / "ARCHITECTURE.md").read_text()
    named = set(re.findall(r"`make ([a-z-]+)", readme)) | set(re.findall(r"^make ([a-z-]+)", readme, re.MULTILINE))
    assert named - targets == set()
    assert {"up", "test"} <= named


def test_the_readme_names_only_cli_verbs_that_exist():
    from click.testing import CliRunner
    from cloudly_cli.main import cli

    readme = (ROOT / "README.md").read_text()
    for noun, verb in set(re.findall(r"^\s*cloudly ([a-z-]+) ([a-z-]+)", readme, re.MULTILINE)):
        answer = CliRunner().invoke(cli, [noun, verb, "--help"])
        assert answer.exit_code == 0, f"cloudly {noun} {verb}"


def test_files_named_in_the_map_exist():
    text = (ROOT / "ARCHITECTURE.md").read_text()
    named = set(
        re.findall(r"`((?:kit|services|gateway|agents|cli|web|deploy|proto|tests|bench|docs)/[\w./{}<>*-]+)`", text)
    )
    missing = [name for name in named if not set("<{*") & set(name) and not (ROOT / name).exists()]
    assert missing == []


def test_what_is_sealed_is_found_by_a_rotation_of_the_master_key():
    # A sealed field that a rotation does not know stays under the old key, and is lost when that is dropped.
    import importlib
    import pkgutil

    from cloudly_auth.master_keys import HOLDERS
    from cloudly_kit.sealed_fields import sealed_fields
    from cloudly_kit.sealed_values import rewrap_task_name
    from cloudly_kit.store import Database, Document
    from motor.motor_asyncio import AsyncIOMotorClient

    database = Database(AsyncIOMotorClient(connect=False), "none")
    wrong = []
    for service in SERVICES:
        package = importlib.import_module(f"cloudly_{service}")
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
        sealing = {
            model: dict(sealed_fields(model))
            for model in all_subclasses(Document)
            if model.__module__.startswith(f"{package.__name__}.") and dict(sealed_fields(model))
        }
        wrong += [
            f"{model.__name__}.{field} has no SealedFor"
            for model, fields in sealing.items()
            for field, mark in fields.items()
            if mark is None
        ]
        if (service in HOLDERS) != bool(sealing):
            wrong.append(f"{service} keeps {len(sealing)} kinds of sealed documents, and HOLDERS are {HOLDERS}")
        if sealing:
            declared = importlib.import_module(f"{package.__name__}.sealed").sealed(database)
            missing = set(sealing) - {collection.document for collection in declared}
            wrong += [f"{model.__name__} is not among those of {service}'s sealed.py" for model in missing]
            tasks = importlib.import_module(f"{package.__name__}.jobs").TASKS
            if rewrap_task_name(service) not in {task.name for task in tasks}:
                wrong.append(f"{service} has no task {rewrap_task_name(service)}")
    assert wrong == []


def all_subclasses(cls: type) -> set[type]:
    return {cls for sub in cls.__subclasses__() for cls in (sub, *all_subclasses(sub))}
