"""Where an answer's time goes, as a trace: from the question on a socket to its last entry on another one."""
