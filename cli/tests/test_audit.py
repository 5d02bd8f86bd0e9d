"""`cloudly audit verify` and `export`: part after part, and a break fails."""

import pytest
from cloudly.auth.v1 import audit_pb2 as pb


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
    def part(request):
        more = request.after_sequence == 0
        return pb.ExportAuditEntriesResponse(
            lines=[f'{{"n":{request.after_sequence}}}'], next_sequence=2 if more else 0
        )

    cloudly.services.answers["ExportAuditEntries"] = part
    await cloudly("audit", "export", "-o", tmp_path / "lines")
    assert (tmp_path / "lines").read_text() == '{"n":0}\n{"n":2}\n'
