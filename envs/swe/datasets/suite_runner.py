"""Runs a suite's script inside a fresh sandbox and sends its log to the host.

The host reads this file as text and sends it there; it imports only the standard library, of Python 3.6 or later.
Standard input carries the settings, among them a nonce; the one line on the pipe starts with it. Where the script
calls pytest itself, a plugin reports every phase of every test besides, through a pipe of its own, because a log is
text that the tested code can print.
"""

import ctypes
import json
import os
import subprocess
import sys
import tempfile
import threading

PR_SET_DUMPABLE = 4
#: Bytes that are kept, the last ones: of the log, and of the plugin's reports, some 40,000 tests.
LOG_LIMIT, REPORTS_LIMIT = 4 << 20, 12 << 20
CHUNK = 1 << 16
#: Name of the variable with the number of the plugin's pipe.
PIPE = "TELOS_REPORTS"
PLUGIN = """
import json
import os

# Now, before any tested code: what that starts has neither the pipe nor this plugin.
os.environ.pop("PYTEST_ADDOPTS", None)
_pipe = int(os.environ.pop("TELOS_REPORTS", "-1"))
if _pipe >= 0:
    os.set_inheritable(_pipe, False)


def pytest_runtest_logreport(report):
    if _pipe >= 0:
        phase = "subtest" if hasattr(report, "context") else report.when
        record = [report.nodeid, phase, report.outcome, hasattr(report, "wasxfail")]
        data = (json.dumps(record) + "\\n").encode()
        while data:
            data = data[os.write(_pipe, data):]
"""


class Collector(threading.Thread):
    """Reads a pipe to its end, and keeps the last part."""

    def __init__(self, pipe: int, limit: int) -> None:
        """Starts at once."""
        super().__init__(daemon=True)
        self.pipe, self.limit = pipe, limit
        self.content = bytearray()
        self.start()

    def run(self) -> None:
        """Reads until every writer is gone."""
        while True:
            chunk = os.read(self.pipe, CHUNK)
            if not chunk:
                return
            self.content += chunk
            if len(self.content) > self.limit:
                del self.content[: len(self.content) - self.limit]

    def text(self) -> str:
        """What was read; a process left behind may hold the pipe open, and its words do not count."""
        self.join(1.0)
        return bytes(self.content).decode("utf-8", "replace")


def main() -> None:
    """Runs the script and reports."""
    settings = json.loads(sys.stdin.buffer.read())
    result = int(sys.argv[-1])
    os.set_inheritable(result, False)
    # Processes of the same user can then not read the nonce from this one's memory.
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    log_r, log_w = os.pipe()
    reports_r, reports_w = os.pipe()
    environment = dict(os.environ, PIP_NO_INDEX="1", PIP_DISABLE_PIP_VERSION_CHECK="1")
    if settings["plugin"]:
        folder = tempfile.mkdtemp()
        name = "telos_reports_" + os.urandom(8).hex()
        with open(os.path.join(folder, name + ".py"), "w") as file:
            file.write(PLUGIN)
        environment["PYTHONPATH"] = folder
        environment["PYTEST_ADDOPTS"] = "-p " + name
        environment[PIPE] = str(reports_w)
    process = subprocess.Popen(
        ["bash", "-c", settings["script"]],
        stdin=subprocess.DEVNULL,
        stdout=log_w,
        stderr=log_w,
        env=environment,
        pass_fds=[reports_w],
    )
    os.close(log_w)
    os.close(reports_w)
    log, reports = Collector(log_r, LOG_LIMIT), Collector(reports_r, REPORTS_LIMIT)
    status = process.wait()
    text = log.text()
    record = {"status": status, "log": text, "reports": reports.text()}
    data = (settings["nonce"] + json.dumps(record, ensure_ascii=False)).encode("utf-8", "replace")
    while data:
        data = data[os.write(result, data) :]
    sys.stdout.write(text[-16000:])
    sys.stdout.flush()
    os._exit(0)


main()
