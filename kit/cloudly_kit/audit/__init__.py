"""The audit trail as the services see it: nothing is written in an audited call without a trace of the call.

    notes.py    what the call being handled has written: the store says it, the domain need not
    entries.py  an entry made of a call: who, what, on which resource; masked and bounded
    journal.py  rows in `_audit`: begun before the work, finished after it, then sent to auth
    floods.py   refusals that come too fast are counted
    calls.py    an RPC, or any other piece of work, from its beginning to its end

Auth chains what it is sent: services/auth/cloudly_auth/audit_chain.py.
"""
