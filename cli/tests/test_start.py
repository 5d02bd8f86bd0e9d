"""How the command starts: without gRPC, and on machines without the rest of Cloudly."""

import subprocess
import sys

from click.testing import CliRunner
from cloudly_cli.main import cli

HEAVY = ("grpc", "google.protobuf", "httpx", "rich", "yaml", "cloudly_kit", "cloudly_local")


def loaded_by(*arguments: str) -> set[str]:
    code = (
        "import sys\nfrom cloudly_cli.main import cli\n"
        f"try:\n    cli({list(arguments)!r})\nexcept SystemExit:\n    pass\n"
        f"print('LOADED', *(m for m in {HEAVY!r} if m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return set(done.stdout.rsplit("LOADED", 1)[1].split())


def test_help_imports_nothing_heavy():
    assert loaded_by("--help") == set()
    assert loaded_by("workload", "create", "--help") == set()
    assert loaded_by("version") == set()


def test_help_lists_nouns_session_and_this_machine():
    output = CliRunner().invoke(cli, ["--help"]).output
    for word in ("Resources:", "Session:", "On this machine:", "cluster", "workload", "login", "up"):
        assert word in output


def test_a_noun_is_described_by_the_service_of_its_name():
    for noun, about in (
        ("user", "People (and machines"),
        ("image", "Images: what was pushed"),
        ("auth", "Who is calling"),
    ):
        assert about in CliRunner().invoke(cli, [noun, "--help"]).output


def test_completion_is_printed_for_each_shell():
    for shell in ("bash", "zsh", "fish"):
        result = CliRunner().invoke(cli, ["completion", shell])
        assert result.exit_code == 0
        assert "_CLOUDLY_COMPLETE" in result.output


def test_commands_of_this_machine_hand_their_arguments_on():
    result = CliRunner().invoke(cli, ["up", "--help"])
    assert result.exit_code == 0
    assert "--detach" in result.output


def test_an_output_that_nobody_reads_to_its_end_is_no_fault():
    shell = f"{sys.executable} -m cloudly_cli.main --help | head -c 10"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {shell}"], capture_output=True, text=True, timeout=60, check=False
    )
    assert "Traceback" not in done.stderr
