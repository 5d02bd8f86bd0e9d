"""The pull-through cache: repositories that are copies of an external registry's, filled as they are asked for.

sources.py   which repository is a copy of what      copies.py    manifests and tags, revalidated
fetches.py   blobs, sent on while they are stored    asking.py    requests to sources, and what comes of them

Copies are rows and blobs like any others: they are read, collected and counted by the same code. What is special is only
what happens when something is not here yet, or may have changed there.
"""
