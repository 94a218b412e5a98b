"""Certificates and keys in files -> their PEM texts, or a ``PlanError`` that names the flag, the file and the mistake.

A file is read once, for it may be a process substitution. What it holds is tried with the standard library's OpenSSL,
so that mistakes are reported before anything is started.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from seatrial.errors import PlanError

KEYS = frozenset({"PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"})
"""The sections that the engine takes a key from."""

_SECTION = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----")


def certificates(flag: str, file: Path | str) -> str:
    """Read one certificate or several.

    Raises
    ------
    PlanError
        The file cannot be read, has no certificate, or one that is damaged.
    """
    import ssl

    text = _text(flag, file)
    if "CERTIFICATE" not in _sections(text):
        raise _nothing(flag, file, "certificate", text)
    with _as_file(text) as path:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
        except ssl.SSLError:
            raise _damaged(flag, file, "certificate") from None
    return text


def certificate_and_key(cert_flag: str, cert: Path | str, key_flag: str, key: Path | str) -> tuple[str, str]:
    """Read a certificate, with the chain up to its issuer, and its key.

    Raises
    ------
    PlanError
        A file cannot be read, has no certificate or no key, one that is damaged, or the key is another certificate's.
    """
    cert_text = certificates(cert_flag, cert)
    # One file may hold both.
    key_text = cert_text if str(key) == str(cert) else _text(key_flag, key)
    _require_key(key_flag, key, key_text)
    reason = _refusal(cert_text, key_text)
    if reason == "KEY_VALUES_MISMATCH":
        raise PlanError(
            f"--{key_flag} {key} is not the key of --{cert_flag} {cert}",
            next_step="give the key that the certificate was made with; a chain begins with its own certificate",
        )
    if reason is not None:
        raise _damaged(key_flag, key, "private key")
    return cert_text, key_text


def _require_key(flag: str, file: Path | str, text: str) -> None:
    if "-----BEGIN ENCRYPTED PRIVATE KEY-----" in text or "Proc-Type: 4,ENCRYPTED" in text:
        raise PlanError(
            f"--{flag} {file} is encrypted",
            cause="nobody could be asked for its password",
            next_step=f"decrypt it: openssl pkey -in {file} -out FILE",
        )
    if not KEYS.intersection(_sections(text)):
        raise _nothing(flag, file, "private key", text)


def _refusal(cert_text: str, key_text: str) -> str | None:
    """Return OpenSSL's word for why the two do not go together, None if they do."""
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # Whether a key is long enough is for those to judge who meet it.
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with _as_file(cert_text) as cert, _as_file(key_text) as key:
        try:
            context.load_cert_chain(cert, key)
        except ssl.SSLError as error:
            return error.reason or "unreadable"
    return None


def _text(flag: str, file: Path | str) -> str:
    try:
        return Path(file).read_text(encoding="utf-8")
    except OSError as error:
        raise PlanError(
            f"--{flag} {file} cannot be read", cause=error.strerror, next_step="give a PEM file"
        ) from None
    except UnicodeDecodeError:
        raise PlanError(
            f"--{flag} {file} is not PEM",
            cause="it is binary, such as DER or PKCS #12",
            next_step=f"convert it: openssl x509 -inform der -in {file}, or openssl pkcs12 -in {file} -nodes",
        ) from None
    except ValueError as error:
        # No name of a file holds a zero byte.
        raise PlanError(
            f"--{flag} {str(file)!a} cannot be read: {error}", next_step="give a PEM file"
        ) from None


def _sections(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_SECTION.findall(text)))


@contextmanager
def _as_file(text: str) -> Iterator[str]:
    """Give OpenSSL the file that it asks for; one in memory, since a key is to be nowhere else on a disk."""
    descriptor = os.memfd_create("seatrial-pem")
    try:
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(text.encode())
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def _nothing(flag: str, file: Path | str, what: str, text: str) -> PlanError:
    found = ", ".join(_sections(text))
    return PlanError(
        f"--{flag} {file} has no {what}",
        cause=f"it holds {found}"
        if found
        else "it is not PEM: no line begins a section (-----BEGIN ...-----)",
        next_step=f"give a PEM file that holds the {what}",
    )


def _damaged(flag: str, file: Path | str, what: str) -> PlanError:
    return PlanError(
        f"--{flag} {file} has a {what} that cannot be read",
        cause="its section is cut off, damaged, or of a kind that OpenSSL does not know",
        next_step="give a whole PEM file, as its issuer made it",
    )
