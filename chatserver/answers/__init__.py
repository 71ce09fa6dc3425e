"""The answer as an ordered, durable log of entries: its states, positions, port and adapters."""
