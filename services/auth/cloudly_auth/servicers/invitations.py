"""cloudly.auth.v1.InvitationService: one-time links for new users and new passwords."""

from typing import Any

from cloudly.auth.v1 import invitation_pb2 as pb
from cloudly.auth.v1 import invitation_pb2_grpc
from cloudly_kit.identity import AUDIENCE, caller, current_call
from cloudly_kit.resources import page_request, request_key, timestamp, with_metadata

from cloudly_auth.invitation_store import Invitation
from cloudly_auth.invitations import Invitations, state_of
from cloudly_auth.servicers.identities import identity_message
from cloudly_auth.sessions import Sessions

_KINDS = {"invite": pb.INVITATION_KIND_INVITE, "reset": pb.INVITATION_KIND_RESET}


class InvitationServicer(invitation_pb2_grpc.InvitationServiceServicer):
    """Issue, list, revoke, look up, accept."""

    def __init__(self, invitations: Invitations, sessions: Sessions) -> None:
        self._invitations = invitations
        self._sessions = sessions

    async def CreateInvitation(self, request: pb.CreateInvitationRequest, context: Any) -> pb.CreateInvitationResponse:
        """A link that makes a user."""
        asked = request.invitation
        issued = await self._invitations.invite(
            asked.name,
            tuple(asked.roles),
            email=asked.email,
            hours=request.lifetime_hours,
            invited_by=caller().actor.name,
            labels=dict(asked.labels),
            request=request_key(request),
        )
        return pb.CreateInvitationResponse(
            invitation=_message(issued.invitation),
            link=issued.link,
            mailed=issued.mailed,
            mail_problem=issued.mail_problem,
        )

    async def IssueResetLink(self, request: pb.IssueResetLinkRequest, context: Any) -> pb.IssueResetLinkResponse:
        """A link that sets a user's password."""
        issued = await self._invitations.reset(
            request.user_id, email=request.email, hours=request.lifetime_hours, invited_by=caller().actor.name
        )
        return pb.IssueResetLinkResponse(
            invitation=_message(issued.invitation),
            link=issued.link,
            mailed=issued.mailed,
            mail_problem=issued.mail_problem,
        )

    async def ListInvitations(self, request: pb.ListInvitationsRequest, context: Any) -> pb.ListInvitationsResponse:
        """What was issued."""
        page = await self._invitations.page(page_request(request))
        found = [_message(invitation) for invitation in page.items]
        return pb.ListInvitationsResponse(invitations=found, next_page_token=page.next_page_token)

    async def RevokeInvitation(self, request: pb.RevokeInvitationRequest, context: Any) -> pb.RevokeInvitationResponse:
        """End a link."""
        return pb.RevokeInvitationResponse(invitation=_message(await self._invitations.revoke(request.invitation_id)))

    async def LookUpInvitation(self, request: pb.LookUpInvitationRequest, context: Any) -> pb.LookUpInvitationResponse:
        """What a link is for; not who else is concerned."""
        found = await self._invitations.look_up(request.token, _remote())
        return pb.LookUpInvitationResponse(
            invitation=pb.Invitation(
                name=found.name,
                kind=_KINDS[found.kind],
                state=pb.INVITATION_STATE_PENDING,
                expire_time=timestamp(found.expire_time),
            )
        )

    async def AcceptInvitation(self, request: pb.AcceptInvitationRequest, context: Any) -> pb.AcceptInvitationResponse:
        """Use a link."""
        invitation, user = await self._invitations.accept(request.token, request.password, _remote())
        if invitation.kind == "reset":
            # The link stands for the password alone; a second factor is asked for by the login that follows.
            return pb.AcceptInvitationResponse()
        granted = await self._sessions.start(user, AUDIENCE, _remote())
        return pb.AcceptInvitationResponse(
            identity=identity_message(granted.identity),
            access_token=granted.access_token,
            refresh_token=granted.refresh_token,
        )


def _remote() -> str:
    call = current_call()
    return call.remote_address if call else ""


def _message(invitation: Invitation) -> pb.Invitation:
    message = pb.Invitation(
        name=invitation.name,
        roles=invitation.roles,
        email=invitation.email,
        kind=_KINDS[invitation.kind],
        state=pb.InvitationState.Value(f"INVITATION_STATE_{state_of(invitation).upper()}"),
        expire_time=timestamp(invitation.expire_time),
        user_id=invitation.user_id,
        invited_by=invitation.invited_by,
    )
    return with_metadata(message, invitation)
