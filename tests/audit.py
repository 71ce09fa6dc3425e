"""`python -m tests.audit`: keys in the tree, and known vulnerabilities of the dependencies. Part of `make audit`.

The vulnerabilities are OSV's, which needs a network: where it can't be reached this says so, and is no failure.
"""

import socket
import subprocess
import sys
from pathlib import Path

from tests.test_tree import paths

ROOT = Path(__file__).parents[1]
SERVICE = "api.osv.dev"
TOOLS = Path(sys.executable).parent

# What looks random is mostly a hash here (the lock, prompts); and words next to "password" are mostly tests.
_NOT = ("HexHighEntropyString", "Base64HighEntropyString", "KeywordDetector")
_EXAMPLES = r"://(user:password|chat:pw|u%40:p%3A)@"


def main() -> int:
    return max(_scan_for_secrets(), _audit_dependencies())


def _scan_for_secrets() -> int:
    without = [part for plugin in _NOT for part in ("--disable-plugin", plugin)]
    files = [str(path.relative_to(ROOT)) for path in paths()]
    command = [str(TOOLS / "detect-secrets-hook"), "--no-verify", *without, "--exclude-lines", _EXAMPLES, *files]
    code = subprocess.run(command, cwd=ROOT, check=False).returncode
    print(f"secrets scan: {len(files)} files, {'no secret' if code == 0 else 'see above'}")
    return code


def _audit_dependencies() -> int:
    try:
        socket.create_connection((SERVICE, 443), timeout=5).close()
    except OSError as error:
        print(f"pip-audit: {SERVICE} can't be reached from here ({error}): the dependencies were NOT audited")
        return 0
    locks = [part for lock in ("requirements.lock", "deploy/requirements.lock") for part in ("-r", lock)]
    command = [
        str(TOOLS / "pip-audit"),
        "--disable-pip",
        "--vulnerability-service",
        "osv",
        "--progress-spinner",
        "off",
        *locks,
    ]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
