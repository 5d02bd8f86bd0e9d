"""Legacy records tell times as Unix milliseconds."""

from google.protobuf.timestamp_pb2 import Timestamp


def milliseconds(time: Timestamp) -> int:
    """A time as Unix milliseconds; 0 where there is none."""
    return time.seconds * 1000 + time.nanos // 1_000_000
