# SPDX-License-Identifier: Apache-2.0
"""One line on stderr that says how far a long job is and when it ends."""
import sys
import time


class Bar:
    """Redrawn at most twice a second on a terminal; elsewhere a line each minute."""

    def __init__(self, what, out=sys.stderr):
        self.what, self.out = what, out
        self.start = time.monotonic()
        self.drawn = 0.0
        self.first = None
        self.every = 0.5 if out.isatty() else 60.0

    def show(self, done, total, extra=""):
        now = time.monotonic()
        if self.first is None:
            self.first = done
        if done < total and now - self.drawn < self.every:
            return
        self.drawn = now
        moved = max(done - self.first, 1)
        left = (now - self.start) * (total - done) / moved
        full = int(24 * done / total)
        line = (f"{self.what} [{'#' * full}{'.' * (24 - full)}] {100 * done / total:5.1f} % "
                f"{int(left) // 60}:{int(left) % 60:02d} left {extra}")
        self.out.write(f"\r{line}\033[K" if self.out.isatty() else f"{line}\n")
        self.out.flush()

    def end(self):
        if self.out.isatty():
            self.out.write("\n")
