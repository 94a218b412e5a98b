from __future__ import annotations

import hashlib
import json
from pathlib import Path

from seatrial.machine.processes.programs import BinaryInfo
from seatrial.record.environment import SYSCTLS, describe, sha256_of


def test_the_environment_of_this_machine_is_a_json_document():
    document = describe({"proxy": BinaryInfo("/opt/proxy", "1.2", "ab")})
    assert json.loads(json.dumps(document)) == document
    assert document["cpu"]["usable"] >= 1
    assert document["memory"]["total_bytes"] > 0
    assert set(document["sysctls"]) == set(SYSCTLS)
    assert document["limits"]["open_files"]["hard"] != 0
    assert document["binaries"]["proxy"]["version"] == "1.2"
    assert len(document["seatrial"]["engine_sha256"]) == 64


def test_a_file_is_hashed_and_a_missing_one_is_not_an_error():
    assert sha256_of(Path(__file__)) == hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    assert sha256_of(Path("/nowhere/at/all")) is None
