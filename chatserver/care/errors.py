"""What can go wrong in the care of a data directory."""


class CareError(Exception):
    """`code` is stable: `backup_exists`, `backup_failed`, `no_backup`, `backup_damaged`, `newer_data`,
    `data_dir_not_empty`, `restore_failed`. The message tells an operator what to do."""

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code
