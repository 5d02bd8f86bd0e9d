"""Passkeys: Cloudly as a WebAuthn relying party (WebAuthn Level 3). The ceremonies' bytes are py_webauthn's business."""

import ipaddress
import json
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import structlog
import webauthn
from cloudly_kit.errors import CredentialsInvalid, FailedPrecondition
from cloudly_kit.ids import derived_id
from cloudly_kit.store import now
from webauthn.helpers import base64url_to_bytes
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from cloudly_auth.factor_store import Passkey
from cloudly_auth.store import User

log = structlog.get_logger()

NAME = "Cloudly"
_KNOWN_TRANSPORTS = {transport.value for transport in AuthenticatorTransport}
# What the library lets through when the bytes of a stranger are not what they claim to be.
_MALFORMED = (WebAuthnException, ValueError, LookupError, TypeError, AttributeError, RecursionError)


@dataclass(frozen=True)
class Assertion:
    """What a passkey's answer says of itself, not yet verified."""

    credential_id: bytes
    user_id: str
    """The user handle; empty where the passkey tells none."""


class RelyingParty:
    """Makes options for browsers and verifies what comes back."""

    def __init__(self, origin: str) -> None:
        parts = urlsplit(origin)
        self._origin = origin
        self._id = parts.hostname or ""
        self.possible = _possible(parts.scheme, self._id)
        """Whether browsers do WebAuthn at this origin: a domain name over HTTPS, or localhost."""

    def registration_options(self, user: User, existing: Sequence[Passkey], nonce: bytes) -> str:
        """PublicKeyCredentialCreationOptions as JSON.

        Raises:
            FailedPrecondition: passkeys do not work at this origin.
        """
        self._require_possible()
        options = webauthn.generate_registration_options(
            rp_id=self._id,
            rp_name=NAME,
            user_id=user.id.encode(),
            user_name=user.name,
            challenge=nonce,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
            ),
            exclude_credentials=[_descriptor(passkey) for passkey in existing],
        )
        return webauthn.options_to_json(options)

    def authentication_options(self, passkeys: Sequence[Passkey], nonce: bytes) -> str:
        """PublicKeyCredentialRequestOptions as JSON; without passkeys any of the device's for Cloudly may answer.

        Raises:
            FailedPrecondition: passkeys do not work at this origin.
        """
        self._require_possible()
        options = webauthn.generate_authentication_options(
            rp_id=self._id,
            challenge=nonce,
            allow_credentials=[_descriptor(passkey) for passkey in passkeys],
            user_verification=UserVerificationRequirement.REQUIRED,
        )
        return webauthn.options_to_json(options)

    def verify_registration(self, credential: str, name: str, nonce: bytes) -> Passkey:
        """The new passkey.

        Raises:
            CredentialsInvalid: the answer does not fit the challenge or this origin.
        """
        try:
            parsed = json.loads(credential)
            verified = webauthn.verify_registration_response(
                credential=parsed,
                expected_challenge=nonce,
                expected_rp_id=self._id,
                expected_origin=self._origin,
                require_user_verification=True,
            )
            told = parsed.get("response", {}).get("transports", [])
            transports = [one for one in told if isinstance(one, str) and one in _KNOWN_TRANSPORTS]
        except _MALFORMED as error:
            raise CredentialsInvalid("the passkey's answer does not fit: start again") from error
        return Passkey(
            id=derived_id("passkey", verified.credential_id.hex()),
            name=name,
            credential_id=verified.credential_id,
            public_key=verified.credential_public_key,
            sign_count=verified.sign_count,
            transports=transports,
            backed_up=verified.credential_backed_up,
        )

    def verify(self, credential: str, passkey: Passkey, nonce: bytes) -> Passkey:
        """The passkey after this use, if the answer is its own; it must have verified its user.

        Raises:
            CredentialsInvalid: it is not, or its sign counter went back: it was copied (WebAuthn Level 3 §6.1.1).
        """
        try:
            verified = webauthn.verify_authentication_response(
                credential=json.loads(credential),
                expected_challenge=nonce,
                expected_rp_id=self._id,
                expected_origin=self._origin,
                credential_public_key=passkey.public_key,
                credential_current_sign_count=passkey.sign_count,
                require_user_verification=True,
            )
        except _MALFORMED as error:
            log.info("auth.passkey_refused", passkey=passkey.id, error=type(error).__name__)
            raise CredentialsInvalid("the passkey's answer does not fit: start again") from error
        return passkey.model_copy(
            update={
                "sign_count": verified.new_sign_count,
                "backed_up": verified.credential_backed_up,
                "last_use_time": now(),
            }
        )

    def _require_possible(self) -> None:
        if not self.possible:
            raise FailedPrecondition(
                f"passkeys do not work at {self._origin}: browsers ask for a domain name with HTTPS, or localhost; "
                "set SERVEZONE_URL and SERVEZONE_SSLMODE"
            )


def parse_assertion(credential: str) -> Assertion:
    """Which passkey answers, and for whom, as it claims.

    Raises:
        CredentialsInvalid: it is no PublicKeyCredential.
    """
    try:
        parsed = json.loads(credential)
        handle = parsed["response"].get("userHandle") or ""
        return Assertion(base64url_to_bytes(parsed["rawId"]), base64url_to_bytes(handle).decode())
    except _MALFORMED as error:
        raise CredentialsInvalid("this is no answer of a passkey") from error


def _descriptor(passkey: Passkey) -> PublicKeyCredentialDescriptor:
    transports = [AuthenticatorTransport(one) for one in passkey.transports if one in _KNOWN_TRANSPORTS]
    return PublicKeyCredentialDescriptor(id=passkey.credential_id, transports=transports or None)


def _possible(scheme: str, host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return scheme == "https" or host == "localhost" or host.endswith(".localhost")
    return False
