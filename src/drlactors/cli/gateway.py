"""`drlactors gateway`: serves sandboxes over gRPC, in a process of its own."""

import sys

from drlactors.cli.whereabouts import HERE, Whereabouts


def gateway(*, where: Whereabouts = HERE) -> None:
    """Serve sandboxes over gRPC until Ctrl-C or SIGTERM; what they said is stored first.

    A system whose configuration has gateway.address serves them itself; this is for more of them, on other machines, or
    apart from the system. It needs the address in gateway.address, NATS, and PostgreSQL (to know whose a session is).

    Examples
    --------
    DRLACTORS_GATEWAY__ADDRESS=0.0.0.0:9465 DRLACTORS_METRICS__PORT=0 drlactors gateway
    """
    from drlactors.cli.up import until_signal
    from drlactors.wiring import gateway_process

    with until_signal() as stopped, gateway_process(*where) as serving:
        print(f"The gateway is up at {serving.reached_at}. Ctrl-C stops it.")
        sys.stdout.flush()
        stopped.wait()
        print("Stopping: storing what was said.", flush=True)
