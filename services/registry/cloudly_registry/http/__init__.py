"""The registry over HTTP: OCI Distribution 1.1 under /v2, and the objects behind signed URLs under /objects.

server.py     the aiohttp server and its limits        routes.py     a path and a method -> one handler
access.py     tokens in, challenges out                errors.py     every failure as an OCI error body
body.py       reading what clients send                listings.py   tags, catalog, referrers
token.py      /v2/token                                objects.py    /objects
manifests.py  blobs.py  uploads.py                     one file an end point's family
"""
