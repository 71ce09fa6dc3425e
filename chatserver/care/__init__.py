"""What a data directory needs besides being used: backup, restore, erasure, a check of its files."""
