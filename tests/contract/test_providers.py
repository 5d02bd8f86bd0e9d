"""Whatever has settings can be tested, or is said to be used by nothing."""

from cloudly_auth.setting_keys import SETTING_KEYS, TESTABLE
from cloudly_clusters.providers import NOT_USED, TESTED_ELSEWHERE
from cloudly_kit import contract

ROUTE = "/api/v1/providers/"
NOTHING_TO_ASK = {"baseos"}
"""Their settings are for Cloudly's own doors."""


def test_every_provider_with_settings_can_be_tested_or_is_used_by_nothing():
    used = {known.provider for known in SETTING_KEYS.values() if known.owners}
    unused = {known.provider for known in SETTING_KEYS.values()} - used
    assert unused == set(NOT_USED)
    own_routes = {
        method.rules.http.post.removeprefix(ROUTE).removesuffix("/test")
        for method in contract.methods().values()
        if method.rules.http.post.startswith(ROUTE)
    }
    assert own_routes == {*TESTED_ELSEWHERE, "{provider}"}
    by_clusters = {known.provider for known in SETTING_KEYS.values() if "clusters" in known.owners}
    assert used - NOTHING_TO_ASK == by_clusters | (set(TESTED_ELSEWHERE) & used)
    assert used - NOTHING_TO_ASK == TESTABLE
