"""Rules for what an attack is out for: documents, computing time, secrets, other files."""

from drlactors.domain.attack.evidence import Evidence
from drlactors.domain.attack.kinds import AttackType, Rule

#: Calls of Windows and Linux, under their plain names.
ENCRYPTS = {"CryptEncrypt", "BCryptEncrypt", "NCryptEncrypt", "CryptGenKey"}
WATCHES_KEYS = {"GetAsyncKeyState", "GetKeyState", "GetKeyboardState", "SetWindowsHook", "RegisterRawInputDevices"}
TAKES_PICTURES = {"BitBlt", "StretchBlt", "PrintWindow"}
#: Places of secrets.
SECRETS = ("keys", "credentials", "browser", "wallet", "history")


def _mines(seen: Evidence) -> bool:
    busy = seen.cpu_s >= 0.25 * seen.seconds and seen.deletes + seen.writes < 0.1 * seen.syscalls
    return busy and 2 <= len(seen.contacts) <= seen.windows / 2 and 0 < seen.sent_bytes < 64_000


def _takes_secrets(seen: Evidence) -> bool:
    return sum(bool(seen.worked[place]) for place in SECRETS) >= 2 and seen.sent_bytes > max(500, seen.received_bytes)


def _demands(seen: Evidence) -> bool:
    return bool(seen.written["note"]) and (len(seen.seen["note"]) >= 3 or bool(seen.names & ENCRYPTS))


def _spoils(seen: Evidence) -> bool:
    return len(seen.renamed()) >= 5 and seen.writes > 0


def _taints(seen: Evidence) -> bool:
    changed, binary = seen.overwritten, seen.seen["binary document"]
    sources = seen.written["source"]
    return (len(changed) >= 5 and len(changed & sources) >= 2 and not changed & binary) or (
        len(sources) >= 10 and len(sources) >= 0.6 * len(seen.written["user file"])
    )


AIMS: tuple[Rule, ...] = (
    Rule(
        "renamed-documents",
        AttackType.RANSOMWARE,
        ("T1486",),
        "five documents also under their name and an ending that neither packs nor keeps a copy: sealed one by one",
        _spoils,
    ),
    Rule(
        "overwritten-documents",
        AttackType.RANSOMWARE,
        ("T1486",),
        "ten documents, pictures among them, in windows that read and write as many files as they name and no other",
        lambda seen: len(seen.overwritten) >= 10 and bool(seen.overwritten & seen.seen["binary document"]),
    ),
    Rule(
        "ransom-note",
        AttackType.RANSOMWARE,
        ("T1486",),
        "three texts named like a demand, or one by a program that calls for encryption",
        _demands,
    ),
    Rule(
        "no-way-back",
        AttackType.RANSOMWARE,
        ("T1490",),
        "a program that removes shadow copies or start-up repair, and encryption or many changed documents",
        lambda seen: bool(seen.seen["recovery"]) and (_demands(seen) or len(seen.written["document"]) >= 10),
    ),
    Rule(
        "destroyed-documents",
        AttackType.WIPER,
        ("T1485",),
        "five documents in windows that remove or empty as many files and read hardly any",
        lambda seen: len(seen.lost()) >= 5,
    ),
    Rule(
        "miner-by-name",
        AttackType.MINER,
        ("T1496.001",),
        "files of a known mining program",
        lambda seen: bool(seen.seen["miner"]),
    ),
    Rule(
        "hashing-for-a-pool",
        AttackType.MINER,
        ("T1496.001",),
        "a quarter of a core or more throughout, few file changes, and small messages now and then: shares of a pool",
        _mines,
    ),
    Rule(
        "swarm",
        AttackType.SWARM,
        ("T1499",),
        "twenty processes that start no program: their number is the purpose",
        lambda seen: seen.unstarted_children >= 20 and bool(seen.names & {"fork", "vfork", "clone", "clone3"}),
    ),
    Rule(
        "sent-secrets",
        AttackType.STEALER,
        ("T1552.001", "T1041"),
        "two kinds of secrets (keys, credentials, browser, wallet, history), and more sent than received",
        _takes_secrets,
    ),
    Rule(
        "read-keys",
        None,
        ("T1552.004",),
        "private keys, beside what was sent",
        lambda seen: bool(seen.seen["keys"]) and _takes_secrets(seen),
    ),
    Rule(
        "read-browser",
        None,
        ("T1555.003",),
        "a browser's stored logins or cookies, beside what was sent",
        lambda seen: bool(seen.seen["browser"]) and _takes_secrets(seen),
    ),
    Rule(
        "watched-processes",
        AttackType.SPY,
        ("T1057", "T1005"),
        "the command lines of five processes, read by a program that writes notes and is no ps (which reads stat)",
        lambda seen: len(seen.seen["process"]) >= 5 and not seen.seen["process table"] and seen.writes > 0,
    ),
    Rule(
        "key-logging",
        AttackType.SPY,
        ("T1056.001",),
        "asking for the state of keys in two ways, or a hook and the state",
        lambda seen: len(seen.names & WATCHES_KEYS) >= 2 or {"GetKeyState", "GetForegroundWindow"} <= seen.names,
    ),
    Rule("screen-capture", None, ("T1113",), "copying from the screen", lambda seen: bool(seen.names & TAKES_PICTURES)),
    Rule("clipboard", None, ("T1115",), "reading the clipboard", lambda seen: "GetClipboardData" in seen.names),
    Rule(
        "tainted-files",
        AttackType.INFECTOR,
        ("T1080",),
        "sources and other texts overwritten, and no picture; or ten sources beside a write, and little else",
        _taints,
    ),
)
