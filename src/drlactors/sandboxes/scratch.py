"""The scratch home that a program in a sandbox gets: the same kind of files for ordinary programs and for others."""

import shutil
import sqlite3
import subprocess
import zipfile
from pathlib import Path
from random import Random

_WORDS = """
account answer basket bridge budget candle carpet change client column coffee corner cotton demand detail dinner
effect engine factor figure filter finger flight folder forest format garden harbor import island jacket letter market
member memory method minute mirror moment museum number office orange packet parcel pencil people picture planet
pocket policy powder profit record report result review ribbon school screen season second sector signal silver simple
sister sketch spring square status stream summer supply switch table target ticket tunnel update valley vendor violin
volume window winter writer yellow
""".split()  # noqa: SIM905  (ninety words are easier to read as text)

#: What a program's home is called in what is seen of it, wherever it is: where homes lie says nothing about a program.
HOME = "/home/user"


def called(path: str, home: str) -> str:
    return HOME + path[len(home) :] if path == home or path.startswith(f"{home}/") else path


def prepare(home: Path, seed: int) -> None:
    """Fills ``home``: documents, pictures, logs, sources, a repository, a database, and made-up secrets."""
    dice = Random(seed)
    for number in range(dice.randint(40, 60)):
        ending = dice.choice((".txt", ".md", ".csv", ".html"))
        _put(home / "Documents" / f"{dice.choice(_WORDS)}-{number}{ending}", _prose(dice, dice.randint(2_000, 40_000)))
    for number in range(dice.randint(12, 20)):
        _put(home / "Pictures" / f"{dice.choice(_WORDS)}-{number}.jpg", dice.randbytes(dice.randint(8_000, 60_000)))
    for name in ("app.log", "auth.log", "build.log", "mail.log", "web.log"):
        lines = (f"2025-03-{dice.randint(1, 28):02} {dice.choice(_WORDS)} session {n}\n" for n in range(400))
        _put(home / "logs" / name, "".join(lines).encode())
    _secrets(home, dice)
    _sources(home, dice)
    _database(home, dice)
    _repository(home)


def _prose(dice: Random, size: int) -> bytes:
    text = ""
    while len(text) < size:
        text += " ".join(dice.choices(_WORDS, k=12)) + ".\n"
    return text.encode()


def _put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _secrets(home: Path, dice: Random) -> None:
    profile = home / ".mozilla" / "firefox" / "ab12cd34.default"
    for path, size in (
        (home / ".ssh" / "id_ed25519", 400), (home / ".ssh" / "id_ed25519.pub", 100), (home / ".ssh" / "config", 300),
        (home / ".ssh" / "known_hosts", 900), (home / ".ssh" / "authorized_keys", 200),
        (profile / "logins.json", 5_000), (profile / "key4.db", 40_000), (profile / "cookies.sqlite", 90_000),
        (home / ".aws" / "credentials", 120), (home / ".netrc", 80), (home / ".config" / "app" / "settings.ini", 900),
        (home / ".bashrc", 3_000), (home / ".bash_history", 8_000), (home / ".gnupg" / "pubring.kbx", 2_000),
    ):  # fmt: skip
        _put(path, _prose(dice, size)[:size])
    (home / ".gnupg").chmod(0o700)
    (home / ".bashrc").write_bytes(b"# " + b"\n# ".join((home / ".bashrc").read_bytes().splitlines()) + b"\n")


def _sources(home: Path, dice: Random) -> None:
    names = dice.sample(_WORDS, 5)
    for name in names:
        body = f"#include <stdio.h>\n#include <stdlib.h>\nint {name}(int n) {{ int s = 0;\n"
        body += "".join(f"for (int i = 0; i < n; i++) s += i * {dice.randint(1, 99)};\n" for _ in range(20))
        _put(home / "project" / f"{name}.c", f"{body}return s; }}\n".encode())
        test = f"import unittest\n\nclass Case(unittest.TestCase):\n    def test_{name}(self):\n"
        test += f"        self.assertEqual(sum(range({dice.randint(10, 99)})) >= 45, True)\n"
        _put(home / "package" / f"test_{name}.py", test.encode())
    calls = "".join(f"int {name}(int); " for name in names)
    total = " + ".join(f"{name}(10)" for name in names)
    main = f'#include <stdio.h>\n{calls}\nint main(void) {{ printf("%d\\n", {total}); }}\n'
    _put(home / "project" / "main.c", main.encode())
    rules = (
        "OBJECTS = $(patsubst %.c,%.o,$(wildcard *.c))\nmain: $(OBJECTS)\n\t$(CC) -o $@ $^\nclean:\n\trm -f *.o main\n"
    )
    _put(home / "project" / "Makefile", rules.encode())
    _put(home / "wheels" / "small-1.0-py3-none-any.whl", b"")
    with zipfile.ZipFile(home / "wheels" / "small-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("small/__init__.py", "VALUE = 1\n")
        wheel.writestr("small-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: small\nVersion: 1.0\n")
        wheel.writestr("small-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("small-1.0.dist-info/RECORD", "small/__init__.py,,\n")


def _database(home: Path, dice: Random) -> None:
    (home / "data").mkdir()
    with sqlite3.connect(home / "data" / "app.db") as database:
        database.execute("create table person (id integer primary key, name text, score real)")
        rows = [(n, dice.choice(_WORDS), dice.random()) for n in range(2_000)]
        database.executemany("insert into person values (?, ?, ?)", rows)
    database.close()
    lines = "".join(f"{n},{dice.choice(_WORDS)},{dice.random():.6f}\n" for n in range(5_000))
    _put(home / "data" / "numbers.csv", lines.encode())


def _repository(home: Path) -> None:
    settings = "[user]\nname = Somebody\nemail = somebody@localhost\n[gc]\nauto = 0\n[init]\ndefaultBranch = main\n"
    _put(home / ".gitconfig", settings.encode())
    _put(home / "repo" / "notes.txt", b"first\n")
    environment = {"HOME": str(home), "PATH": "/usr/bin:/bin"}
    if shutil.which("git", path=environment["PATH"]) is None:
        return
    for arguments in (("init", "-q"), ("add", "."), ("commit", "-qm", "first")):
        subprocess.run(["git", *arguments], cwd=home / "repo", env=environment, check=True, capture_output=True)
