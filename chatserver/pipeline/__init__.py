"""From a question to the entries of its answer: decide, retrieve, prompt, stream."""
