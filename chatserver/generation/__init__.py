"""Generations: they claim an answer, run the pipeline and append to the log. They never know a socket."""
