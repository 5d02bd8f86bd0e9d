"""Codes of authenticator apps (TOTP, RFC 6238; HOTP, RFC 4226): six digits, SHA-1, steps of 30 seconds, as all apps do."""

import hmac
import time

import pyotp

DIGITS = 6
STEP_SECONDS = 30
DRIFT_STEPS = 1
"""How many steps before and after the present one are taken, for clocks that differ (RFC 6238 §5.2)."""


def new_secret() -> str:
    """160 random bits in base32, the length that RFC 4226 §4 recommends."""
    return pyotp.random_base32(32)


def uri(secret: str, account: str, issuer: str) -> str:
    """What the QR code for the app says (Key URI Format)."""
    return pyotp.TOTP(secret, digits=DIGITS, interval=STEP_SECONDS).provisioning_uri(name=account, issuer_name=issuer)


def matching_step(secret: str, code: str, *, after: int, now: float | None = None) -> int | None:
    """The time step that this is the code of, among those near now and later than `after`; None when there is none."""
    present = int((time.time() if now is None else now) // STEP_SECONDS)
    totp = pyotp.TOTP(secret, digits=DIGITS, interval=STEP_SECONDS)
    found = None
    for step in range(present - DRIFT_STEPS, present + DRIFT_STEPS + 1):
        # All are compared, so that the time taken does not tell which step a guess was near to.
        if hmac.compare_digest(totp.generate_otp(step).encode(), code.encode()) and step > after:
            found = step
    return found
