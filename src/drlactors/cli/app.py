"""The tree of commands: names, and where each is found. Their modules import what is heavy when they run."""

import inspect
import re
from typing import Any

from cyclopts import App, Parameter, default_name_transform

#: Command -> the function that carries it out; its docstring is the command's help.
COMMANDS = {
    "up": "drlactors.cli.up:up",
    "demo": "drlactors.cli.demo:demo",
    "train": "drlactors.cli.train:train",
    "learn": "drlactors.cli.learn:learn",
    "evaluate": "drlactors.cli.evaluate:evaluate",
    "import": "drlactors.cli.importing:import_",
    "gateway": "drlactors.cli.gateway:gateway",
    "sessions": "drlactors.cli.log:sessions",
    "events": "drlactors.cli.log:events",
    "replay": "drlactors.cli.replay:replay",
    "migrate": "drlactors.cli.upkeep:migrate",
    "dead-letters": "drlactors.cli.upkeep:dead_letters",
    "bench": "drlactors.cli.bench:bench",
}
GROUPS = {
    "sandbox": (
        "Be a sandbox: stream recorded or real programs to a running system.",
        {
            "play": "drlactors.cli.sandbox:play",
            "run": "drlactors.cli.running:run",
            "watch": "drlactors.cli.running:watch",
            "record": "drlactors.cli.record:record",
            "cape": "drlactors.cli.cape:cape",
        },
    ),
    "policy": (
        "Look at a policy.",
        {"show": "drlactors.cli.policy:show"},
    ),
    "models": (
        "The life of models: who made one, how good it is, which one serves.",
        {
            "list": "drlactors.cli.models.reading:list_",
            "show": "drlactors.cli.models.reading:show",
            "compare": "drlactors.cli.models.reading:compare",
            "add": "drlactors.cli.models.deciding:add",
            "promote": "drlactors.cli.models.deciding:promote",
            "rollback": "drlactors.cli.models.deciding:rollback",
            "reject": "drlactors.cli.models.deciding:reject",
            "keys": "drlactors.cli.models.keys:keys",
            "sign": "drlactors.cli.models.keys:sign",
        },
    ),
    "episodes": (
        "What artifacts were found to be, and a person's word on it.",
        {
            "list": "drlactors.cli.episodes:list_",
            "statistics": "drlactors.cli.episodes:statistics",
            "correct": "drlactors.cli.episodes:correct",
        },
    ),
    "reviews": (
        "The questions that wait for a person, and the answers.",
        {
            "list": "drlactors.cli.reviews:list_",
            "show": "drlactors.cli.reviews:show",
            "decide": "drlactors.cli.reviews:decide",
        },
    ),
    "receipts": (
        "What sessions decided and why, chained and signed, for whoever has to believe it.",
        {"export": "drlactors.cli.receipts:export", "verify": "drlactors.cli.receipts:verify"},
    ),
    "patterns": (
        "What was learned about attacks.",
        {
            "query": "drlactors.cli.patterns:query",
            "show": "drlactors.cli.patterns:show",
            "stats": "drlactors.cli.patterns:stats",
            "export": "drlactors.cli.exporting:export",
            "rebuild": "drlactors.cli.patterns:rebuild",
        },
    ),
    "quarantine": (
        "Artifacts that were put away: encrypted, and not to be run from there.",
        {
            "list": "drlactors.cli.quarantine:list_",
            "restore": "drlactors.cli.quarantine:restore",
            "delete": "drlactors.cli.quarantine:delete",
        },
    ),
    "archive": (
        "The beginning of the log in Parquet files, for learning and for keeping.",
        {
            "write": "drlactors.cli.archive:write",
            "show": "drlactors.cli.archive:show",
            "verify": "drlactors.cli.archive:verify",
        },
    ),
    "config": (
        "Check configuration files, and see what is in force.",
        {"check": "drlactors.cli.config:check", "show": "drlactors.cli.config:show"},
    ),
}
_EXAMPLES = re.compile(r"^Examples\n-+\n(.*?)(?=\n\n|\Z)", re.MULTILINE | re.DOTALL)
HELP = """Decides, window by window, what to do about a sample that runs in a malware sandbox.

Begin with `drlactors demo`. Every command says more with --help.
"""
EPILOGUE = "Exit status: 0 done, 1 failed, 2 wrong usage or configuration. --debug shows where an error came from."


def app() -> App:
    """A fresh tree."""
    plain = Parameter(name_transform=_option, negative=(), show_default=_default)
    root = App(
        "drlactors",
        help=HELP,
        help_epilogue=EPILOGUE,
        help_format="markdown",
        default_parameter=plain,
        version=_version,
    )
    for name, target in COMMANDS.items():
        root.command(target, name=name)
        _explain(root[name])
    for name, (says, commands) in GROUPS.items():
        group = App(name, help=says)
        for command, target in commands.items():
            group.command(target, name=command)
            _explain(group[command])
        root.command(group)
    return root


def _explain(command: App) -> None:
    """Show the docstring's examples, which cyclopts leaves out."""
    found = _EXAMPLES.search(inspect.getdoc(command.default_command) or "")
    command.help_epilogue = f"Examples:\n\n```\n{found[1].strip()}\n```" if found else ""


def _option(name: str) -> str:
    """``as_json`` cannot be called json in Python: that is the module's name."""
    return "json" if name == "as_json" else default_name_transform(name)


def _default(value: Any) -> str | None:
    """What the help shows: that an option is empty or off, where nothing is said, is what one expects."""
    return None if value is False or value in (None, "", ()) else str(value)


def _version() -> str:
    from importlib.metadata import version

    return version("drlactors")
