"""The document store: typed collections with etags, keyset pages, filters, watches and migrations, on MongoDB.

Nothing else in the house knows the driver. Reading order: documents, collection, then what the collection uses.
"""

from cloudly_kit.store.collection import Collection
from cloudly_kit.store.database import Database, Session
from cloudly_kit.store.documents import Document, RequestKey, now
from cloudly_kit.store.filtering import Choice
from cloudly_kit.store.indexes import Index
from cloudly_kit.store.migrations import Migration
from cloudly_kit.store.paging import Page, PageRequest
from cloudly_kit.store.rows import below, known_ids, write_rows
from cloudly_kit.store.watching import Change, ChangeEvent

__all__ = [
    "Change",
    "ChangeEvent",
    "Choice",
    "Collection",
    "Database",
    "Document",
    "Index",
    "Migration",
    "Page",
    "PageRequest",
    "RequestKey",
    "Session",
    "below",
    "known_ids",
    "now",
    "write_rows",
]
