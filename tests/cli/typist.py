# SPDX-License-Identifier: Apache-2.0
"""usage: typist.py OUTPUT COMMAND [AWAIT SEND]...

Runs COMMAND in a terminal of 24 lines and 80 columns, as a person would: awaits that the text AWAIT
is written after what was awaited before, then types SEND, and so on; \\e, \\r, \\xHH and the like are
escapes.  SEND may be signal:NAME, or resize:COLUMNS, or nothing.  What was written goes to the file
OUTPUT; then it says how the command ended, and whether the terminal has its modes back."""
import codecs
import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time

SECONDS = 60


def bytes_of(text):
    return codecs.escape_decode(text.replace("\\e", "\\x1b").encode())[0]


def resize(fd, columns):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))


class Typist:
    def __init__(self, command):
        self.master, self.slave = pty.openpty()
        resize(self.master, 80)
        self.modes = termios.tcgetattr(self.slave)
        self.written = b""
        self.at = 0
        self.pid = os.fork()
        if self.pid == 0:
            os.setsid()
            fcntl.ioctl(self.slave, termios.TIOCSCTTY, 0)
            for fd in range(3):
                os.dup2(self.slave, fd)
            os.execvp("sh", ["sh", "-c", "exec " + command])

    def read(self, seconds):
        ready, _, _ = select.select([self.master], [], [], seconds)
        if ready:
            self.written += os.read(self.master, 65536)
        return bool(ready)

    def wait_for(self, text):
        end = time.monotonic() + SECONDS
        while self.written.find(text, self.at) < 0:
            if time.monotonic() > end:
                raise TimeoutError(f"{text!r} was not written: {self.written[self.at:]!r}")
            self.read(1)
        self.at = self.written.find(text, self.at) + len(text)

    def send(self, text):
        what, _, value = text.partition(":")
        if what == "signal":
            os.kill(self.pid, getattr(signal, "SIG" + value))
        elif what == "resize":
            resize(self.master, int(value))
        else:
            os.write(self.master, bytes_of(text))

    def finish(self):
        end = time.monotonic() + SECONDS
        while True:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() > end:
                os.kill(self.pid, signal.SIGKILL)
                raise TimeoutError("the command goes on")
            self.read(0.05)
        while self.read(0):
            pass
        return os.waitstatus_to_exitcode(status)


def main():
    output, command, steps = sys.argv[1], sys.argv[2], sys.argv[3:]
    typist = Typist(command)
    try:
        for text, keys in zip(steps[::2], steps[1::2]):
            typist.wait_for(bytes_of(text))
            typist.send(keys)
        code = typist.finish()
    finally:
        with open(output, "wb") as file:
            file.write(typist.written)
    print(f"exit {code}" if code >= 0 else f"ended by {signal.Signals(-code).name}")
    same = termios.tcgetattr(typist.slave) == typist.modes
    paste = typist.written.count(b"\x1b[?2004h") and (
        typist.written.rfind(b"\x1b[?2004h") > typist.written.rfind(b"\x1b[?2004l"))
    region = typist.written.rfind(b"r\x1b8") > typist.written.rfind(b"\x1b[r")
    print("the terminal is", "as before" if same and not paste and not region else "changed")


main()
