"""REST made from the contract's options: a new RPC is a new route, with no code here."""
