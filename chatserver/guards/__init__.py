"""What stands between us and an upstream: a circuit breaker, retries, a limit for each attempt. Injected at wiring."""
