"""Signatures with SSH keys, by ``ssh-keygen -Y`` (OpenSSH 8.2 and newer), under a namespace of their own."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from prunemark.errors import PrunemarkError

NAMESPACE = "prunemark"
KEY_TYPES = ("ssh-", "ecdsa-", "sk-")


def signature_of(content: bytes, key: Path) -> bytes:
    """The signature of ``content`` by a private key (or the public one, where an agent holds it); ssh-keygen asks for
    a passphrase itself.

    Raises:
        PrunemarkError: no such key, or ssh-keygen does not sign with it.
    """
    if not key.is_file():
        raise PrunemarkError(f"{key}: no such file")
    done = ssh_keygen("sign", content, "-f", str(key), "-n", NAMESPACE)
    if done.returncode:
        raise PrunemarkError(f"{key}: does not sign: {first_line(done)}")
    return done.stdout


def signature_fault(content: bytes, signature: bytes, signers: Path) -> str | None:
    """Why ``signature`` is not one of ``content`` by a key of ``signers``, an allowed-signers file or a public key;
    ``None`` where it is.

    Raises:
        PrunemarkError: no such file of signers.
    """
    if not signers.is_file():
        raise PrunemarkError(f"{signers}: no such file")
    with tempfile.TemporaryDirectory(prefix="prunemark-signature-") as folder:
        file, allowed = Path(folder) / "signature", Path(folder) / "allowed"
        file.write_bytes(signature)
        allowed.write_bytes(allowed_signers(signers.read_bytes()))
        found = ssh_keygen("find-principals", b"", "-s", str(file), "-f", str(allowed))
        if found.returncode or not found.stdout.strip():
            return f"is not signed by a key of {signers}: {first_line(found)}"
        checks = [
            ssh_keygen("verify", content, "-f", str(allowed), "-I", who, "-n", NAMESPACE, "-s", str(file))
            for who in found.stdout.decode(errors="replace").splitlines()
        ]
    if any(check.returncode == 0 for check in checks):
        return None
    return f"its signature does not hold: {first_line(checks[0]).replace(str(allowed), str(signers))}"


def allowed_signers(content: bytes) -> bytes:
    """A file of allowed signers; of public keys every line gets a principal."""
    lines = [line for line in content.splitlines() if line.strip() and not line.startswith(b"#")]
    prefixes = tuple(kind.encode() for kind in KEY_TYPES)
    return b"".join((b"signer " if line.startswith(prefixes) else b"") + line + b"\n" for line in lines)


def ssh_keygen(verb: str, content: bytes, *options: str) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(["ssh-keygen", "-Y", verb, *options], input=content, capture_output=True)
    except FileNotFoundError:
        raise PrunemarkError("ssh-keygen: not found; signatures need OpenSSH 8.2 or newer") from None


def first_line(done: subprocess.CompletedProcess[bytes]) -> str:
    lines = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
    return lines[0] if lines else f"ssh-keygen ends with {done.returncode}"
