"""nats-py's client, made to survive what a hostile publisher can put into a subject or a header."""

from typing import Any

from nats.aio.client import Client
from nats.aio.msg import Msg


class SturdyClient(Client):
    """One message whose subject or header is not UTF-8 ends the reading of nats-py 2.16 without a word.

    The server takes and stores such a message; delivered again after each reconnect, it would stop the plane for good.
    """

    def _build_message(
        self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: dict[str, str] | None
    ) -> Msg:
        return Msg(
            subject=subject.decode(errors="backslashreplace"),
            reply=reply.decode(errors="backslashreplace"),
            data=data,
            headers=headers,
            _client=self,
            _sid=sid,
        )

    async def _process_headers(self, headers: Any) -> dict[str, str] | None:
        try:
            return await super()._process_headers(headers)
        except (UnicodeDecodeError, IndexError):
            return None  # a message without headers is one without a trace
