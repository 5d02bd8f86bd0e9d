"""The gRPC surface of auth: parse, call the domain, answer."""

from cloudly_auth.servicers.api_tokens import ApiTokenServicer
from cloudly_auth.servicers.audit import AuditServicer
from cloudly_auth.servicers.auth import AuthServicer
from cloudly_auth.servicers.factors import FactorServicer
from cloudly_auth.servicers.invitations import InvitationServicer
from cloudly_auth.servicers.keys import KeyServicer
from cloudly_auth.servicers.oidc_providers import OidcProviderServicer
from cloudly_auth.servicers.sessions import SessionServicer
from cloudly_auth.servicers.settings import SettingServicer
from cloudly_auth.servicers.sso import SsoServicer
from cloudly_auth.servicers.users import UserServicer

__all__ = [
    "ApiTokenServicer",
    "AuditServicer",
    "AuthServicer",
    "FactorServicer",
    "InvitationServicer",
    "KeyServicer",
    "OidcProviderServicer",
    "SessionServicer",
    "SettingServicer",
    "SsoServicer",
    "UserServicer",
]
