"""`drlactors gateway`: serves sandboxes over gRPC, in a process of its own."""

import sys
from pathlib import Path


def gateway(*, config: tuple[Path, ...] = (), data_dir: Path | None = None) -> None:
    """Serve sandboxes over gRPC until Ctrl-C or SIGTERM; what they said is stored first.

    A system whose configuration has gateway.address serves them itself; this is for more of them, on other machines, or
    apart from the system. It needs the address in gateway.address, NATS, and PostgreSQL (to know whose a session is).

    Examples
    --------
    DRLACTORS_GATEWAY__ADDRESS=0.0.0.0:9465 DRLACTORS_METRICS__PORT=0 drlactors gateway

    Parameters
    ----------
    config
        Configuration files, TOML or JSON, each above the one before.
    data_dir
        Of the system whose servers are used, where the configuration names none.
    """
    from drlactors.cli.up import until_signal
    from drlactors.wiring import gateway_process

    with until_signal() as stopped, gateway_process(config, data_dir) as serving:
        print(f"The gateway is up at {serving.reached_at}. Ctrl-C stops it.")
        sys.stdout.flush()
        stopped.wait()
        print("Stopping: storing what was said.", flush=True)
