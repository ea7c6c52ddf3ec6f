"""Who is calling, and whose a session is."""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import NamedTuple

import grpc

from drlactors.domain.errors import ForeignSession
from drlactors.domain.ids import SessionId
from drlactors.gateway.errors import forbidden, unauthenticated

#: Sessions whose owner is kept at hand.
SESSIONS = 65_536
#: A claim that the log does not know yet is compared with the log at most this often.
LOOK_S = 1.0


class Callers:
    """The sandbox that a call comes from, by its token, by its certificate, or by both where both are asked for."""

    def __init__(self, tokens: Mapping[str, str] | None, *, certificates: bool) -> None:
        self.tokens = tokens  # may be replaced
        self._certificates = certificates

    def name(self, context: grpc.aio.ServicerContext) -> str:
        """Empty where nothing is asked for: then a caller is who its messages say. Raises Declined."""
        names = set()
        if self.tokens is not None:
            names.add(self._by_token(context, self.tokens))
        if self._certificates:
            common = context.auth_context().get("x509_common_name", [b""])
            if not common[0]:
                raise unauthenticated("the certificate has no common name, which is to say which sandbox this is")
            names.add(common[0].decode("utf-8", "replace"))
        if len(names) > 1:
            raise unauthenticated("the token and the certificate name different sandboxes")
        return names.pop() if names else ""

    def _by_token(self, context: grpc.aio.ServicerContext, tokens: Mapping[str, str]) -> str:
        for key, value in context.invocation_metadata() or ():
            if key == "authorization" and isinstance(value, str) and value.startswith("Bearer "):
                # Looked up by digest: how long that takes says nothing about a token.
                name = tokens.get(hashlib.sha256(value.removeprefix("Bearer ").encode()).hexdigest())
                if name is not None:
                    return name
        raise unauthenticated("this gateway wants the sandbox's token: authorization: Bearer TOKEN")


class Claim(NamedTuple):
    sandbox: str
    proven: bool  # the log says so
    looked_s: float


class Owners:
    """Who started which session: by the log, and before the log knows by who spoke of it first.

    A session's id is a random UUID: nobody else speaks of it first by chance. Once the log names somebody, it is right.
    """

    def __init__(self, started_by: Callable[[SessionId], str | None]) -> None:
        """``started_by`` asks the log, may block, and says None where it does not know."""
        self._started_by = started_by
        self._claims: OrderedDict[SessionId, Claim] = OrderedDict()

    async def check(self, session: SessionId, sandbox: str) -> None:
        """Raises Declined when the session is another sandbox's."""
        claim = self._claims.get(session)
        if claim is None or (claim.sandbox != sandbox and not claim.proven):
            claim = await self._look(session, sandbox, claim)
        if claim.sandbox != sandbox:
            raise forbidden(str(ForeignSession()), "FOREIGN_SESSION", session_id=str(session))

    def owns(self, sandbox: str, session: SessionId) -> bool:
        claim = self._claims.get(session)
        return claim is not None and claim.sandbox == sandbox

    async def _look(self, session: SessionId, sandbox: str, claim: Claim | None) -> Claim:
        now_s = asyncio.get_running_loop().time()
        if claim is not None and now_s - claim.looked_s < LOOK_S:
            return claim
        owner = await asyncio.to_thread(self._started_by, session)
        if owner is not None:
            found = Claim(owner, True, now_s)
        else:
            before = self._claims.get(session)  # perhaps somebody spoke while we looked
            found = Claim(before.sandbox if before else sandbox, False, now_s)
        self._claims[session] = found
        self._claims.move_to_end(session)
        while len(self._claims) > SESSIONS:
            self._claims.popitem(last=False)
        return found
