"""What auth keeps sealed: all that a rotation of the master key wraps anew."""

from collections.abc import Sequence
from typing import Any

from cloudly_kit.store import Collection, Database

from cloudly_auth.audit_store import AuditStore
from cloudly_auth.factor_store import factors
from cloudly_auth.oidc.store import providers
from cloudly_auth.settings_store import SettingsStore
from cloudly_auth.signing_keys import key_rings


def sealed(database: Database) -> Sequence[Collection[Any]]:
    """The collections."""
    return (
        SettingsStore(database).settings,
        factors(database),
        key_rings(database),
        AuditStore(database).keys,
        providers(database),
    )
