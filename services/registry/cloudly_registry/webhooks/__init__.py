"""Webhooks out: what happens to images, told to other systems until they have taken it.

    a push or a deletion -> outbox -> recording.py: one delivery a webhook, in the transaction that remembers the event
    -> deliverer.py, on one replica at a time: sending.py posts it, again and again for a day -> delivered, or given up

webhooks.py   the rules of the records      store.py      the records and the deliveries
messages.py   what is told, as CloudEvents  signing.py    Standard Webhooks' secrets and signatures
"""
