"""Measurements. Each program compares with a peer in one run and prints ratios; nothing here is asserted."""
