"""`cloudly audit verify` and `export`: part after part, and a break fails."""

import pytest
from cloudly.auth.v1 import audit_pb2 as pb
from cloudly_kit.errors import Unavailable


async def test_verify_goes_through_all_parts_and_tells_what_to_keep(cloudly):
    asked = []

    def part(request):
        asked.append((request.after_sequence, request.after_hash))
        last = request.after_sequence + 3
        return pb.VerifyAuditLogResponse(entries=3, sequence=last, hash=f"h{last}", complete=last == 6)

    cloudly.services.answers["VerifyAuditLog"] = part
    result = await cloudly("audit", "verify")
    assert asked == [(0, ""), (3, "h3")]
    assert "6 entries are in order" in result.stdout
    assert "--after-sequence 6 --after-hash h6" in result.stdout


@pytest.mark.parametrize("sequence", [0, 4])
async def test_a_break_fails(cloudly, sequence):
    broken = pb.AuditBreak(kind=pb.AUDIT_BREAK_KIND_CUT, sequence=sequence, message="entry 4 is missing")
    cloudly.services.answers["VerifyAuditLog"] = lambda _: pb.VerifyAuditLogResponse(entries=3, broken=broken)
    result = await cloudly("audit", "verify", code=1)
    assert "cut" in result.stderr
    assert "entry 4 is missing" in result.stderr


async def test_export_writes_all_lines(cloudly, tmp_path):
    async def parts(request):
        for sequence in range(request.after_sequence + 1, 6, 2):
            yield pb.ExportAuditEntriesResponse(lines=[f'{{"n":{sequence}}}', f'{{"n":{sequence + 1}}}'])

    cloudly.services.answers["ExportAuditEntries"] = parts
    await cloudly("audit", "export", "-o", tmp_path / "lines", "--after-sequence", "2")
    assert (tmp_path / "lines").read_text() == '{"n":3}\n{"n":4}\n{"n":5}\n{"n":6}\n'


async def test_an_export_that_breaks_off_fails_and_says_how_to_go_on(cloudly, tmp_path):
    async def parts(_):
        yield pb.ExportAuditEntriesResponse(lines=['{"sequence":1}', '{"sequence":2}'])
        raise Unavailable("gone")

    cloudly.services.answers["ExportAuditEntries"] = parts
    result = await cloudly("audit", "export", "-o", tmp_path / "lines", code=1)
    assert "--after-sequence 2" in result.stderr
    assert (tmp_path / "lines").read_text() == '{"sequence":1}\n{"sequence":2}\n'
