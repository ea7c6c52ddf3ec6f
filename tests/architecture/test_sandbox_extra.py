"""A sandbox is light: what the extra "sandbox" installs is enough for the SDK and both links, and is not much."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
#: The packages of the extra, of what every installation has, and of what these need themselves.
LIGHT = {"google", "grpc", "nats", "typing_extensions"}
#: What grpc imports by itself where it happens to be installed, as it is where tests run.
OPTIONAL = {"grpc_health", "grpc_reflection", "grpc_tools"}
BROUGHT = {"cyclopts", "grpcio", "nats-py", "protobuf"}
PROGRAM = """
import json, sys
before = set(sys.modules)
import drlactors.sandboxes.sdk, drlactors.sandboxes.grpc_link, drlactors.bus.nats_link
import drlactors.sandboxes.cape.follower
print(json.dumps(sorted(set(sys.modules) - before)))
"""
#: What only the system has.
HEAVY = (
    "cryptography",
    "eventsourcing",
    "msgspec",
    "numpy",
    "onnxruntime",
    "psycopg",
    "pydantic",
    "pykka",
    "structlog",
)
COMMAND = f"""
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {HEAVY}:
            raise ModuleNotFoundError(name, name=name)

sys.meta_path.insert(0, Absent())
from drlactors.__main__ import main
main(sys.argv[1:])
"""


def test_importing_the_sdk_both_links_and_what_follows_cape_needs_only_what_the_extra_brings():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in json.loads(done.stdout)}
    strangers = {
        name for name in loaded - sys.stdlib_module_names - LIGHT - OPTIONAL - {"drlactors"} if "cython" not in name
    }
    assert not strangers
    assert {"drlactors", "google", "grpc", "nats"} <= loaded


def test_the_command_beside_cape_needs_no_more_and_says_what_goes_wrong(tmp_path: Path):
    (tmp_path / "storage").mkdir()
    said = ["sandbox", "cape", "--root", str(tmp_path), "--gateway", "127.0.0.1:1", "--token-file", "none"]
    done = subprocess.run([sys.executable, "-c", COMMAND, *said], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "drlactors: none: No such file or directory\n")


def test_where_no_system_can_be_it_asks_where_one_is(tmp_path: Path):
    (tmp_path / "storage").mkdir()
    said = ["sandbox", "cape", "--root", str(tmp_path)]
    done = subprocess.run([sys.executable, "-c", COMMAND, *said], capture_output=True, text=True, check=False)
    assert (done.returncode, "where is drlactors? --gateway HOST:PORT" in done.stderr) == (2, True), done.stderr


def test_installing_the_sdk_pulls_neither_torch_nor_onnx_runtime():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["sandbox"]]
    names = {re.match(r"[\w-]+", requirement)[0] for requirement in wanted}  # type: ignore[index]  # each has a name
    assert names == BROUGHT
