"""What an operator sees of the server in numbers, for Prometheus."""
