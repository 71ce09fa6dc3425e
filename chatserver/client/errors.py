"""What can go wrong in the client.

ClientError
├── Unreachable    no server there, or away for longer than the client was told to wait
├── Refused        the server will not have this client as it is: trying again cannot help
├── Closed         the client or the server has ended the conversation
├── Rejected       one command was refused; `code` is the server's, the connection goes on
├── AnswerGone     the server does not have this answer (any more)
└── ProtocolError  what came is not chat.v1
`code` is stable; the message is fit for a person.
"""


class ClientError(Exception):
    code = "client_error"


class Unreachable(ClientError):
    code = "unreachable"

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Refused(ClientError):
    code = "refused"


class Closed(ClientError):
    code = "closed"


class Rejected(ClientError):
    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class AnswerGone(ClientError):
    code = "answer_gone"


class ProtocolError(ClientError):
    code = "protocol_error"
