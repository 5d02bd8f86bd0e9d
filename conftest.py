"""Every test has the kit's fixtures: real servers, fresh databases, a harness for services."""

pytest_plugins = ["cloudly_kit.testing"]
