"""Files that a library reads: HTML, PDF, Word. Each in a process of its own (`isolated`, `process`)."""
