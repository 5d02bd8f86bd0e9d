"""cloudly.auth.v1.OidcProviderService: identity providers as resources."""

from typing import Any

from cloudly.auth.v1 import oidc_provider_pb2 as pb
from cloudly.auth.v1 import oidc_provider_pb2_grpc
from cloudly_kit.masks import apply_mask
from cloudly_kit.resources import page_request, request_key, with_metadata

from cloudly_auth.oidc.providers import OidcProviders
from cloudly_auth.oidc.store import OidcProvider, RoleMapping
from cloudly_auth.users import ordered

_CHECKS = {
    True: pb.OIDC_CLIENT_CHECK_ACCEPTED,
    False: pb.OIDC_CLIENT_CHECK_REFUSED,
    None: pb.OIDC_CLIENT_CHECK_UNKNOWN,
}


class OidcProviderServicer(oidc_provider_pb2_grpc.OidcProviderServiceServicer):
    """Create, get, list, update, delete, test."""

    def __init__(self, providers: OidcProviders) -> None:
        self._providers = providers

    async def CreateOidcProvider(
        self, request: pb.CreateOidcProviderRequest, context: Any
    ) -> pb.CreateOidcProviderResponse:
        """Make one."""
        asked = request.oidc_provider
        wished = _with_wish(OidcProvider(name=asked.name, issuer=asked.issuer, client_id=asked.client_id), asked)
        made = await self._providers.create(wished, asked.client_secret, request_key(request))
        return pb.CreateOidcProviderResponse(oidc_provider=self._message(made))

    async def GetOidcProvider(self, request: pb.GetOidcProviderRequest, context: Any) -> pb.GetOidcProviderResponse:
        """One of them."""
        found = await self._providers.get(request.oidc_provider_id)
        return pb.GetOidcProviderResponse(oidc_provider=self._message(found))

    async def ListOidcProviders(
        self, request: pb.ListOidcProvidersRequest, context: Any
    ) -> pb.ListOidcProvidersResponse:
        """A page of them."""
        page = await self._providers.page(page_request(request))
        return pb.ListOidcProvidersResponse(
            oidc_providers=map(self._message, page.items), next_page_token=page.next_page_token
        )

    async def UpdateOidcProvider(
        self, request: pb.UpdateOidcProviderRequest, context: Any
    ) -> pb.UpdateOidcProviderResponse:
        """Change what the mask names."""
        asked, mask = request.oidc_provider, request.update_mask

        def change(found: OidcProvider) -> OidcProvider:
            return _with_wish(found, apply_mask(self._message(found), asked, mask))

        renewed = bool(asked.client_secret) if not mask.paths else bool({"client_secret", "*"} & set(mask.paths))
        secret = asked.client_secret if renewed else None
        changed = await self._providers.update(asked.id, asked.etag, change, secret)
        return pb.UpdateOidcProviderResponse(oidc_provider=self._message(changed))

    async def DeleteOidcProvider(
        self, request: pb.DeleteOidcProviderRequest, context: Any
    ) -> pb.DeleteOidcProviderResponse:
        """Delete one."""
        await self._providers.delete(request.oidc_provider_id, request.etag)
        return pb.DeleteOidcProviderResponse()

    async def TestOidcProvider(self, request: pb.TestOidcProviderRequest, context: Any) -> pb.TestOidcProviderResponse:
        """Try one out."""
        report = await self._providers.test(request.oidc_provider_id)
        answer = pb.TestOidcProviderResponse(
            working=report.working,
            problems=report.problems,
            client=_CHECKS[report.client],
            algorithms=report.algorithms,
            callback_url=self._providers.callback_url,
        )
        if report.metadata is not None:
            answer.authorization_endpoint = report.metadata.authorization_endpoint
            answer.token_endpoint = report.metadata.token_endpoint
            answer.jwks_uri = report.metadata.jwks_uri
            answer.userinfo_endpoint = report.metadata.userinfo_endpoint
        return answer

    def _message(self, provider: OidcProvider) -> pb.OidcProvider:
        message = pb.OidcProvider(
            name=provider.name,
            display_name=provider.display_name,
            issuer=provider.issuer,
            client_id=provider.client_id,
            has_client_secret=provider.client_secret is not None,
            scopes=provider.scopes,
            groups_claim=provider.groups_claim,
            role_mappings=[pb.OidcRoleMapping(group=one.group, role=one.role) for one in provider.role_mappings],
            default_roles=provider.default_roles,
            auto_create=provider.auto_create,
            email_domains=provider.email_domains,
            trusts_second_factor=provider.trusts_second_factor,
            disabled=provider.disabled,
            callback_url=self._providers.callback_url,
        )
        return with_metadata(message, provider)


def _with_wish(provider: OidcProvider, asked: pb.OidcProvider) -> OidcProvider:
    known = ordered(tuple(asked.default_roles))
    return provider.model_copy(
        update={
            "name": asked.name,
            "labels": dict(asked.labels),
            "display_name": asked.display_name.strip(),
            "issuer": asked.issuer,
            "client_id": asked.client_id,
            "scopes": list(dict.fromkeys(asked.scopes)),
            "groups_claim": asked.groups_claim,
            "role_mappings": [RoleMapping(group=one.group, role=one.role) for one in asked.role_mappings],
            # What is no role is kept for the rule that refuses it.
            "default_roles": [*known, *(role for role in asked.default_roles if role not in known)],
            "auto_create": asked.auto_create,
            "email_domains": [domain.lower() for domain in asked.email_domains],
            "trusts_second_factor": asked.trusts_second_factor,
            "disabled": asked.disabled,
        }
    )
