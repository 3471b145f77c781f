"""A supervised process: what `status` shows, and what its supervisor remembers. Pure."""

from __future__ import annotations

from dataclasses import dataclass

FIRST_PAUSE = 0.2
FIRST_ANSWER_SECONDS = 120.0  # imports of a new process on a busy machine


@dataclass
class Process:
    """One supervised process as `status` shows it."""

    role: str
    pid: int
    state: str  # starting, running, not ready, restarting, stopped; read() adds: dead
    address: str
    restarts: int = 0
    started: float = 0.0  # with the pid, its identity
    last_exit: int | None = None
    reason: str = ""  # why it is not running
    command: str = ""  # what a person can do about it
    log: str = ""


STATES = ("starting", "running", "not ready", "restarting", "stopped")


@dataclass
class Memory:
    """What a supervisor remembers of a role, over its restarts."""

    crashes: int = 0  # since it was last healthy for long enough
    start_at: float = 0.0  # not before (monotonic)
    began: float = 0.0
    answered: bool = False  # this process, at least once
    was_ready: bool = False  # this process, at least once
    ready_since: float | None = None
    # Seconds of silence, counted round by round: it isn't to blame while the supervisor stood.
    silent: float = 0.0
    unready: float = 0.0

    def begins(self, now: float) -> None:
        """Note a new process."""
        self.began, self.answered, self.was_ready, self.ready_since = now, False, False, None
        self.silent = self.unready = 0.0

    def ended(self, now: float, longest: float) -> None:
        """Note an end that nobody asked for; the next start waits twice as long, up to a bound."""
        self.start_at = now + min(longest, FIRST_PAUSE * 2 ** min(self.crashes, 16))
        self.crashes += 1

    def heard(
        self, now: float, passed: float, *, alive: bool, ready: bool, forgotten: float
    ) -> None:
        """Note an answer, `passed` seconds after the one before; long health forgets crashes."""
        self.answered = self.answered or alive
        self.was_ready = self.was_ready or ready
        self.silent = 0.0 if alive else self.silent + passed
        self.unready = 0.0 if ready else self.unready + passed
        self.ready_since = (self.ready_since or now) if ready else None
        if self.ready_since is not None and now - self.ready_since >= forgotten:
            self.crashes = 0

    def hangs(self, patience: float, *, server: bool) -> bool:
        """Return whether it was silent for too long; a server's first answer may take any time."""
        if not self.answered:
            return not server and self.silent > max(patience, FIRST_ANSWER_SECONDS)
        return self.silent > patience
