"""Logging in by identity providers that speak OpenID Connect: Cloudly is the relying party.

store.py          what is kept: providers, whose identities are linked, logins between their last two steps
http.py           the one way out to providers, bounded in time and size
protocol.py       discovery, the authorization request, the code for tokens, what the claims say of somebody
id_token.py       what has to be verified of an ID token
providers.py      the providers as resources, and trying one out
people.py         which user somebody is, who is let in, as what
flows.py          a login, or the linking of an account, from its start to its end
"""
