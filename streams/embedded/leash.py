"""Keep a process from outliving its supervisor, even one that is killed by -9 or the OOM killer.

Three means, because each has a hole:

- On Linux the kernel kills a child when the thread that forked it ends (PR_SET_PDEATHSIG). It also
  reaches a process that is stopped, and it survives exec, so that Java has it too. The supervisor
  therefore forks from one thread that lives as long as it does (children.py).
- A child compares its parent with the supervisor that it was promised: one that died before the
  call above is noticed at once.
- Everywhere else, the child holds the read end of a pipe whose write end only the supervisor has.
  Its end of file is the news. Java can't watch it: a small process does, Java's own child.

Also runs as a script before a program that is not ours, `python -I -S leash.py PROGRAM ARGUMENTS`:
so it imports little and nothing of ours.
"""

import contextlib
import ctypes
import os
import signal
import sys
import threading
import time

VARIABLE = "LEADSTREAM_SUPERVISOR"  # "pid:descriptor of the pipe's read end"
_PR_SET_PDEATHSIG = 1
_WATCH_SECONDS = 1.0


def _kernel() -> bool:
    """Ask the kernel to kill this process with the thread that forked it; return if it will."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        return not ctypes.CDLL(None, use_errno=True).prctl(
            _PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0
        )
    except (OSError, AttributeError):
        return False


def _until_closed(pipe: int) -> None:
    while True:
        try:
            if not os.read(pipe, 1):
                return
        except InterruptedError:
            continue
        except OSError:
            return


def follow() -> bool:
    """End this process with its supervisor; return whether it has one (started by hand: none)."""
    promised = os.environ.pop(VARIABLE, "")  # not for what this process starts
    if not promised:
        return False
    supervisor, pipe = map(int, promised.split(":"))
    _kernel()
    if os.getppid() != supervisor:
        os._exit(1)

    def watch() -> None:
        _until_closed(pipe)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="leash", daemon=True).start()
    return True


def _guard(program: int, pipe: int) -> None:
    """Watch the pipe beside a program that can't. It is our parent, so no reused pid is met."""

    def ends_first() -> None:
        while os.getppid() == program:
            time.sleep(_WATCH_SECONDS)
        os._exit(0)

    os.setsid()
    for descriptor in range(3, 256):  # the lock of its pid file must end with the program
        if descriptor != pipe:
            with contextlib.suppress(OSError):
                os.close(descriptor)
    threading.Thread(target=ends_first, daemon=True).start()
    _until_closed(pipe)
    if os.getppid() == program:
        os.kill(program, signal.SIGKILL)
    os._exit(0)


def become(command: list[str], *, kernel: bool = True) -> None:
    """Replace this process by a program that ends with the supervisor; `kernel` allows that way."""
    promised = os.environ.pop(VARIABLE, "")
    if promised:
        supervisor, pipe = map(int, promised.split(":"))
        certain = kernel and _kernel()
        if os.getppid() != supervisor:
            os._exit(1)
        program = os.getpid()
        if not certain and os.fork() == 0:
            _guard(program, pipe)
    os.execv(command[0], command)  # noqa: S606 - a program by its path


if __name__ == "__main__":
    # Without the kernel's help on request, to test the portable way where the kernel could help.
    become(sys.argv[1:], kernel="LEADSTREAM_NO_PDEATHSIG" not in os.environ)
