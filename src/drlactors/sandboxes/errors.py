"""What can keep the local Linux sandbox from running a program or a recording from being read."""


class SandboxError(Exception):
    """The sandbox could not do what was asked."""

    def __str__(self) -> str:
        """The docstring is the message; what was passed in says where."""
        where = ": ".join(str(argument) for argument in self.args)
        message = " ".join((type(self).__doc__ or "").split())
        return f"{where}: {message}" if where else message


class StraceMissing(SandboxError):
    """strace was not found; it is what watches the program.

    Get it with `apt-get install strace`, `dnf install strace`, `apk add strace` or `pacman -S strace`.
    """


class TracingForbidden(SandboxError):
    """The kernel does not let strace trace here.

    In a container, add the capability (`--cap-add SYS_PTRACE`) or a seccomp profile that allows ptrace; on a host,
    `sysctl kernel.yama.ptrace_scope` must be below 3.
    """


class ProgramNotStarted(SandboxError):
    """The program does not exist, or is not executable."""


class NoContainment(SandboxError):
    """A program cannot be contained here: the kernel, or who runs it, does not let a user make namespaces.

    In a container, it takes one that is allowed to make user namespaces and to mount /proc; on a host,
    `user.max_user_namespaces` above 0 and, on Ubuntu, an AppArmor profile that allows them. `--uncontained` runs the
    program with all your rights.
    """


class NotStartedInside(SandboxError):
    """The program did not start behind the walls.

    It, and all that it needs, has to lie in a system folder or be shown to it (`--read`).
    """


class NotPutAway(SandboxError):
    """The artifact is where it was."""


class NotInQuarantine(SandboxError):
    """Nothing is in quarantine under this id: `drlactors quarantine list` shows what is."""


class NotRestored(SandboxError):
    """It stays in quarantine."""


class DamagedQuarantine(SandboxError):
    """This file of the quarantine is not as it was stored, or was stored under another key."""


class BrokenRecording(SandboxError):
    """This line of the collection is not a recording."""


class BrokenLabels(SandboxError):
    """This is no table of labels: CSV with a first line, a column label, and one named file or sha256."""


class BrokenReport(SandboxError):
    """The report cannot be used: nothing of it is stored."""


class UnknownReport(SandboxError):
    """This is no report of a kind that is known."""


class RecordingsMissing(SandboxError):
    """There are no recordings here."""


class BadNote(SandboxError):
    """This note of CAPE's is not as its module writes it."""


class CapeUnreachable(SandboxError):
    """CAPE's API does not answer."""


class CapeRefused(SandboxError):
    """CAPE's API declines this."""
