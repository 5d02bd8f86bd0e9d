"""For tests: real servers that behave like the providers' documented APIs, refusals and disturbances included."""
