"""Legacy records, one file each: pure functions between them and the messages of the contract."""
