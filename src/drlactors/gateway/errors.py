"""What a gateway answers when it cannot do what was asked: a status code, and details that a program can read."""

from collections.abc import Sequence
from typing import NoReturn

import grpc
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import code_pb2
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

DOMAIN = "drlactors"
RETRY_S = 1


class GatewayFailed(Exception):
    """The gateway cannot be started, or not with this."""


class Declined(Exception):
    """A call or a message that is not taken: the code of google.rpc.Code, why, and details of google.rpc."""

    def __init__(self, code: int, reason: str, *details: Message) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.details: Sequence[Message] = details


def invalid(field: str, reason: str) -> Declined:
    violation = BadRequest.FieldViolation(field=field, description=reason)
    return Declined(code_pb2.INVALID_ARGUMENT, f"{field}: {reason}", BadRequest(field_violations=[violation]))


def forbidden(reason: str, word: str, **about: str) -> Declined:
    """``word`` is the machine's name for the reason."""
    return Declined(code_pb2.PERMISSION_DENIED, reason, ErrorInfo(reason=word, domain=DOMAIN, metadata=about))


def unauthenticated(reason: str) -> Declined:
    info = ErrorInfo(reason="WHO_IS_THIS", domain=DOMAIN)
    return Declined(code_pb2.UNAUTHENTICATED, reason, info)


def unavailable(reason: str) -> Declined:
    return Declined(code_pb2.UNAVAILABLE, reason, RetryInfo(retry_delay=Duration(seconds=RETRY_S)))


async def abort(context: grpc.aio.ServicerContext, declined: Declined) -> NoReturn:
    """End a call with the status and its details."""
    packed = []
    for detail in declined.details:
        packed.append(Packed())
        packed[-1].Pack(detail)
    status = rpc_status.to_status(Status(code=declined.code, message=declined.reason, details=packed))
    await context.abort(status.code, status.details, status.trailing_metadata)
    raise AssertionError("abort does not return")
