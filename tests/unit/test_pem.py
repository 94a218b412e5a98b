"""Files of certificates and keys: what is wrong with one is reported with its flag and its name."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.tls_server import Pem, issue

from seatrial.errors import PlanError
from seatrial.workload.words.pem import certificate_and_key, certificates

DAMAGED = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
ENCRYPTED = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n"


@pytest.fixture
def pem(tmp_path: Path) -> Pem:
    return issue(tmp_path, "one.example")


def test_what_is_whole_is_taken_as_it_is(pem: Pem, tmp_path: Path) -> None:
    assert certificates("ca", pem.ca) == pem.ca.read_text()
    assert certificate_and_key("cert", pem.cert, "key", pem.key) == (
        pem.cert.read_text(),
        pem.key.read_text(),
    )
    bundle = tmp_path / "bundle.pem"
    bundle.write_text(f"# Főtanúsítvány\n{pem.ca.read_text()}\n{pem.cert.read_text()}")
    assert certificates("ca", str(bundle)).count("BEGIN CERTIFICATE") == 2
    both = tmp_path / "both.pem"
    both.write_text(pem.key.read_text() + pem.cert.read_text())
    assert certificate_and_key("cert", both, "key", both) == (both.read_text(), both.read_text())


def test_a_file_that_can_be_read_once_is_enough(pem: Pem) -> None:
    ends = [os.pipe(), os.pipe()]
    for (_, write), file in zip(ends, (pem.cert, pem.key), strict=True):
        with os.fdopen(write, "wb") as pipe:
            pipe.write(file.read_bytes())
    cert, key = (f"/dev/fd/{read}" for read, _ in ends)
    assert certificate_and_key("cert", cert, "key", key) == (pem.cert.read_text(), pem.key.read_text())
    for read, _ in ends:
        os.close(read)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "has no certificate"),
        (b"hello\n", "has no certificate"),
        (b"0\x82\x01\x0a\xff", "is not PEM"),
        (DAMAGED.encode(), "cannot be read"),
        (DAMAGED[:40].encode(), "cannot be read"),
    ],
)
def test_a_file_without_a_certificate_is_named(tmp_path: Path, content: bytes, words: str) -> None:
    file = tmp_path / "bad.pem"
    file.write_bytes(content)
    with pytest.raises(PlanError, match=rf"--ca .*bad\.pem .*{words}") as caught:
        certificates("ca", file)
    assert caught.value.cause
    assert caught.value.next_step


def test_a_file_that_is_not_there_or_holds_something_else_is_named(pem: Pem, tmp_path: Path) -> None:
    with pytest.raises(PlanError, match=r"--ca .*nowhere\.pem cannot be read"):
        certificates("ca", tmp_path / "nowhere.pem")
    with pytest.raises(PlanError, match=r"--ca .* has no certificate") as caught:
        certificates("ca", pem.key)
    assert "PRIVATE KEY" in (caught.value.cause or "")


def test_a_key_that_does_not_belong_or_is_none_is_named(pem: Pem, tmp_path: Path) -> None:
    other = issue(tmp_path, "two.example")
    file = tmp_path / "bad.key"
    cases = [
        (other.key.read_text(), "is not the key of --cert"),
        (other.cert.read_text(), "has no private key"),
        (ENCRYPTED, "is encrypted"),
        (pem.key.read_text()[:100], "cannot be read"),
    ]
    for text, words in cases:
        file.write_text(text)
        with pytest.raises(PlanError, match=rf"--key .*bad\.key .*{words}") as caught:
            certificate_and_key("cert", pem.cert, "key", file)
        assert caught.value.next_step


def test_the_check_costs_a_plain_load_no_import() -> None:
    program = "import sys, seatrial.workload.words.options; sys.exit('ssl' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)
