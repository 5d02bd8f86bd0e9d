"""Which passwords are allowed, and what checking them shows."""

import asyncio

import pytest
from cloudly_auth.names import folded, refusal
from cloudly_auth.passwords import WAITING_PER_THREAD, Passwords, weakness
from cloudly_kit.errors import RateLimited


@pytest.mark.parametrize(
    ("password", "says"),
    [
        ("short", "at least 10"),
        ("", "at least 10"),
        ("Password123", "tried first"),
        ("\uff50\uff41\uff53\uff53\uff57\uff4f\uff52\uff44\uff11\uff12\uff13", "tried first"),
        ("aaaaaaaaaaaaaa", "different characters"),
        ("Somebody.Else", "user name"),
        ("ä" * 600 + "bcd", "1024 bytes"),
    ],
)
def test_a_weak_password_is_told_what_is_wrong_with_it(password: str, says: str):
    assert says in weakness(password, "somebody.else")


@pytest.mark.parametrize("password", ["a long enough passphrase", "k3:xß$9 öä.§", "🐳🐙🦀🐡🐠🐟🐬🦭🐋🦈"])
def test_any_other_password_of_ten_characters_is_allowed(password: str):
    assert weakness(password, "somebody") == ""


async def test_a_hash_matches_its_password_only_and_composed_letters_are_the_same_letters():
    passwords = Passwords(1)
    hashed = await passwords.hash("gr\u00fcn und lang genug")
    assert hashed.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert await passwords.matches("gr\u00fcn und lang genug", hashed)
    assert await passwords.matches("gru\u0308n und lang genug", hashed)
    assert not await passwords.matches("grun und lang genug", hashed)
    passwords.close()


async def test_nothing_matches_where_there_is_no_hash():
    passwords = Passwords(1)
    assert not await passwords.matches("", None)
    assert not await passwords.matches("anything at all", None)
    assert not await passwords.matches("anything at all", "")
    assert not await passwords.matches("anything at all", "no hash at all")
    passwords.close()


async def test_an_unknown_user_costs_the_same_work_as_a_known_one(monkeypatch: pytest.MonkeyPatch):
    # Counted, not timed: both go through argon2 with the same parameters.
    passwords = Passwords(1)
    real = await passwords.hash("a long enough passphrase")
    assert passwords._nobody.rsplit("$", 2)[0] == real.rsplit("$", 2)[0]
    assert len(passwords._nobody) == len(real)
    passwords.close()


async def test_a_flood_of_checks_is_refused_instead_of_filling_memory():
    passwords = Passwords(1, time_cost=1, memory_kib=64)
    checks = [asyncio.create_task(passwords.matches("x", None)) for _ in range(WAITING_PER_THREAD + 10)]
    answers = await asyncio.gather(*checks, return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, RateLimited)]
    assert len(refused) == 10
    assert not await passwords.matches("x", None), "afterwards it goes on"
    passwords.close()


@pytest.mark.parametrize("name", ["Admin", "ADMIN", "\uff41\uff44\uff4d\uff49\uff4e", "admIn"])
def test_names_that_differ_in_case_or_width_are_the_same_name(name: str):
    assert folded(name) == "admin"


@pytest.mark.parametrize(
    "name", ["\u0430dmin", "\u03b1dmin", "admin\u200b", "ad min", "", "a" * 65, "-admin", "Cluster-abc"]
)
def test_names_that_only_look_alike_or_belong_to_clusters_are_not_given(name: str):
    assert refusal(name)
