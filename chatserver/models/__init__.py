"""Answer models behind one port: OpenAI-compatible, extractive, scripted."""
