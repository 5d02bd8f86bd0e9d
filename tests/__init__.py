"""What crosses services: contract, end to end, faults, and the rules of the house."""
