"""A sandbox to be killed: sandbox_program.py ADDRESS SESSION WINDOWS FOLDER.

Goes through a session from its first window on, whatever a killed one before it has done, and writes down each action
that it carries out.
"""

import os
import sys
from pathlib import Path
from uuid import UUID

from drlactors.domain.ids import SessionId
from drlactors.sandboxes.grpc_link import GrpcSandboxLink
from drlactors.sandboxes.sdk import Artifact, Done, Instruction, Outcome, Sandbox, Telemetry

#: What the rules stop.
SINISTER = Telemetry(
    syscall_count=5000, file_write_count=2000, file_delete_count=2000, code_injection_detected=True,
    privilege_escalation_attempt=True, accessed_paths=("/home/u/.ssh/id_rsa",), bytes_sent=1_000_000,
)  # fmt: skip


def main() -> None:
    address, session, windows, folder = sys.argv[1], SessionId(UUID(sys.argv[2])), int(sys.argv[3]), Path(sys.argv[4])
    carried = os.open(folder / "carried", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def carry_out(instruction: Instruction) -> Done:
        os.write(carried, f"{instruction.action_id}\n".encode())
        return Done()

    link = GrpcSandboxLink(address)
    with Sandbox(link, "mortal", journal=folder / "journal", resend_s=0.5) as sandbox:
        running = sandbox.start(Artifact("ab" * 32, "elf"), carry_out, session=session)
        for _ in range(windows):
            running.observe(SINISTER)
            if not running.wait_answered(60.0):
                sys.exit("a window is not answered")
        running.report(Outcome.MALICIOUS)
        running.end()
    link.close()


if __name__ == "__main__":
    main()
