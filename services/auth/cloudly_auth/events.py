"""What auth publishes and what it listens to."""

READERS: dict[str, tuple[str, ...]] = {}
"""Facts by topic, with the services that read them; auth tells none yet, and listens to none. Changes of users go out as
hints of their collection, as those of every collection do."""
