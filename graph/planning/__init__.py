"""From a question to a checked plan over typed records, by rules, in English and Dutch."""
