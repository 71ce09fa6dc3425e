"""The doors as machines read them: OpenAPI of the HTTP doors, AsyncAPI of the sockets, both made of the types below the
doors. What no code holds as a type, since it is written by hand or read from the log, stands here as one, and
`tests/edge/test_description.py` holds it against what a server really sends."""
