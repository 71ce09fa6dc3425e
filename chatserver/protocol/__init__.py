"""The wire contract as pure code: chunks, commands, events, codes, and one connection's session."""
