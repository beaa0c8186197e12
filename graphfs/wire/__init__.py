"""How the boundary crosses HTTP, written once.

`OPERATIONS` is the table that the server's routes, the client's calls and the OpenAPI document are made from. A row
says where an operation lives; its fields, their types and its description are read off the boundary itself
(`graphfs.api`), so there is no second list to keep in step. One rule places the fields:

* a field named in the path's braces is a part of the path;
* of GET, HEAD and DELETE, and of a request whose body is bytes, all others are in the query string (a sequence:
  repeated);
* of everything else they are the members of a JSON object.

Digests are hexadecimal, bytes inside JSON are base64, a reply that is bytes is the body itself. A name that is not
UTF-8 crosses as `os.fsdecode` has it: each odd byte is a lone surrogate, `\\udc80` in JSON and `%80` in a URL.
Errors cross as `{"error": {"code": ..., "message": ...}}`; `STATUS` gives each code its HTTP status and only the
code is ever read.

It is not a server and not a client: no sockets, no routes, no threads.
"""

from graphfs.wire.codec import (
    Request,
    answer,
    arguments,
    caller_of,
    caller_text,
    decode,
    encode,
    reply,
    request,
)
from graphfs.wire.forms import Limits
from graphfs.wire.status import STATUS, ErrorReply, Fault, error_of, is_ours, reply_of
from graphfs.wire.table import (
    CALLER_HEADER,
    CHECKED_HEADER,
    INSTANCE_HEADER,
    KEY_HEADER,
    LONG_PATIENCE,
    MAX_BODY,
    NOT_CROSSING,
    OPERATIONS,
    PATIENCE,
    PREFIX,
    REQUEST_HEADER,
    SEEN_HEADER,
    Operation,
    Parameter,
    Resources,
)

__all__ = [
    "CALLER_HEADER",
    "CHECKED_HEADER",
    "INSTANCE_HEADER",
    "KEY_HEADER",
    "LONG_PATIENCE",
    "MAX_BODY",
    "NOT_CROSSING",
    "OPERATIONS",
    "PATIENCE",
    "PREFIX",
    "REQUEST_HEADER",
    "SEEN_HEADER",
    "STATUS",
    "ErrorReply",
    "Fault",
    "Limits",
    "Operation",
    "Parameter",
    "Request",
    "Resources",
    "answer",
    "arguments",
    "caller_of",
    "caller_text",
    "decode",
    "encode",
    "error_of",
    "is_ours",
    "reply",
    "reply_of",
    "request",
]
