"""`drlactors sandbox cape`: stands beside CAPEv2, and lets a running system decide about its tasks."""

from pathlib import Path

from drlactors.cli.link import LOCAL, Link, secret
from drlactors.cli.numbers import Count, Seconds, WindowMs
from drlactors.cli.telling import telling


def cape(
    *,
    root: Path = Path("/opt/CAPEv2"),
    spool: Path | None = None,
    api: str = "http://127.0.0.1:8000/apiv2",
    api_token_file: Path | None = None,
    sandbox: str = "cape",
    window_ms: WindowMs = 1000,
    finish_s: Seconds = 60.0,
    rerun_machine: str = "",
    rerun_route: str = "",
    rerun_timeout_s: Count = 0,
    print_module: bool = False,
    link: Link = LOCAL,
) -> int:
    """Follow CAPE's tasks while they run, and carry out what CAPE can do.

    It needs the module that --print-module prints in CAPE's modules/auxiliary, and runs as the user that CAPE runs as.
    Until Ctrl-C or SIGTERM; what still runs then goes on with the next start. The page of this package,
    drlactors/sandboxes/cape/README.md, has the installation, and what each action does.

    Examples
    --------
    drlactors sandbox cape --print-module > /opt/CAPEv2/modules/auxiliary/drlactors.py
    drlactors sandbox cape --gateway drlactors.example:9465 --api-token-file /etc/drlactors/cape-api-token

    Parameters
    ----------
    root
        Where CAPE is installed.
    spool
        Where the module inside CAPE puts its notes; storage/drlactors of CAPE if its configuration names none.
    api
        CAPE's REST API. It needs taskstatus and user_stop switched on, and filecreate for a second stage.
    api_token_file
        A file with the API's token, where it needs one.
    sandbox
        The name that this sandbox goes by.
    window_ms
        The length of a window.
    finish_s
        How long a task that was told to finish may take to end.
    rerun_machine
        What stage 1 judged clean runs once more, in stage 2, if any of these three is named: on this machine,
    rerun_route
        by this route,
    rerun_timeout_s
        for so long.
    print_module
        Print the module for CAPE and do nothing else.
    """
    from drlactors.cli.up import until_signal
    from drlactors.sandboxes.cape.api import CapeApi
    from drlactors.sandboxes.cape.follower import Follower
    from drlactors.sandboxes.cape.run import Rerun, Terms
    from drlactors.sandboxes.sandbox import Sandbox

    if print_module:
        print(_module().read_text(encoding="utf-8"), end="")
        return 0
    if not (root / "storage").is_dir():
        raise SystemExit(f"no CAPE in {root}: --root names where it is installed")
    notes = spool or root / "storage" / "drlactors"
    notes.mkdir(mode=0o700, parents=True, exist_ok=True)
    rerun = Rerun(rerun_machine, rerun_route, rerun_timeout_s)
    terms = Terms(window_ms=window_ms, finish_s=finish_s, rerun=rerun if any(rerun) else None)
    opened = link.open()
    try:
        with until_signal() as stopped, Sandbox(opened, sandbox, journal=notes / "actions") as host:
            _tell(f"follows the tasks of {root}, whose notes are in {notes}")
            with telling(host, _tell, stopped.set):
                Follower(host, notes, CapeApi(api, secret(api_token_file)), terms, _tell).follow(stopped)
    finally:
        opened.close()
    return 0


def _module() -> Path:
    from drlactors.sandboxes import cape as package

    return Path(package.__file__).parent / "auxiliary" / "drlactors.py"


def _tell(line: str) -> None:
    print(line, flush=True)
