"""The processes of a run: started on the cores that they belong to, watched through /proc, and ended by their pids."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time


class Fault(Exception):
    """The run cannot go on; the text says why."""


def progress(text):
    print(text, file=sys.stderr, flush=True)


def measured(measure, given):
    """What `measure` finds for the gate-node under test; ends the program where it cannot, or where somebody ends it."""
    def ended(*_):
        # Some send it twice; the second one must not end the cleaning up.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        sys.exit(143)

    signal.signal(signal.SIGTERM, ended)
    try:
        return measure(given, os.environ["GATE_NODE"])
    except Fault as fault:
        sys.exit(f"error: {fault}")
    except KeyboardInterrupt:
        sys.exit(130)


class Cores:
    """The side under test has cores of its own where there is more than one; load, upstream and Redis share the rest."""

    def __init__(self):
        self.all = sorted(os.sched_getaffinity(0))
        self.side = self.all[-1:]
        self.load = self.all[:-1] or self.all
        self.redis = self.load
        if len(self.load) >= 3:
            self.redis, self.load = self.load[:1], self.load[1:]

    def of_node(self, index, count):
        """A core for each of `count` nodes as far as they go round; the load keeps one."""
        own = self.all[1:] or self.all
        return [own[-1 - index % min(count, len(own))]]


class Process:
    """A child of ours, pinned to `cores`, with its output in a file that it appends to, so that it may be cut short meanwhile."""

    def __init__(self, name, command, cores, place, environment=None):
        self.name = name
        self.log = os.path.join(place, name.replace(" ", "-") + ".log")
        with open(self.log, "wb"):
            pass
        with open(self.log, "ab") as log:
            self.child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, **(environment or {})},
                preexec_fn=lambda: os.sched_setaffinity(0, cores), start_new_session=True)
        self.pid = self.child.pid

    def end(self):
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
            try:
                self.child.wait(40)
            except subprocess.TimeoutExpired:
                self.child.kill()
        self.child.wait()

    def output(self):
        with open(self.log, "rb") as log:
            return log.read().decode("utf-8", "replace")

    def forget_output(self):
        os.truncate(self.log, 0)

    def awaits(self, condition, what, seconds=60):
        """Waits until `condition()` is true and returns it."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self.child.poll() is not None:
                break
            if value := condition():
                return value
            time.sleep(0.02)
        raise Fault(f"{self.name} {what}; it said: {self.output()[-2000:]}")

    def listening_port(self):
        found = self.awaits(lambda: re.search(r"Listening on port (\d+)", self.output()), "does not say that it serves")
        return int(found.group(1))

    def microseconds(self, of_children=False):
        """CPU time so far, of the process alone or of the processes below it."""
        below = descendants(self.pid)
        return sum(map(cpu_microseconds, below if of_children else [self.pid]))

    def resident_bytes(self):
        with open(f"/proc/{self.pid}/status") as status:
            return 1024 * int(re.search(r"VmRSS:\s+(\d+)", status.read()).group(1))


def cpu_microseconds(pid):
    """User and system time of all threads of a process, from the scheduler's nanoseconds where the kernel keeps them."""
    try:
        total = 0
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/schedstat") as file:
                total += int(file.read().split()[0])
        return total / 1000
    except FileNotFoundError:
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) * 1_000_000 / os.sysconf("SC_CLK_TCK")


def descendants(pid):
    below = []
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/children") as file:
            for child in map(int, file.read().split()):
                below += [child] + descendants(child)
    return below


class Workshop:
    """A place for the run's files and all of its processes; leaving it ends them in the reverse order of their starts."""

    def __init__(self):
        self.cores = Cores()
        self.processes = []

    def __enter__(self):
        self.place = tempfile.mkdtemp(prefix="gate-bench-")
        return self

    def __exit__(self, *_):
        self.end(self.processes)
        shutil.rmtree(self.place, ignore_errors=True)

    def start(self, name, command, cores, environment=None):
        process = Process(name, command, cores, self.place, environment)
        self.processes.append(process)
        return process

    def end(self, processes):
        for process in reversed(list(processes)):
            process.end()
            self.processes.remove(process)

    def folder(self, name):
        """A new, empty folder; what an earlier process of that name left is gone."""
        path = os.path.join(self.place, name.replace(" ", "-"))
        shutil.rmtree(path, ignore_errors=True)
        os.makedirs(path)
        return path

    def haproxy(self, name, template, cores):
        """A haproxy with its configuration made from a template; returns the process and its port."""
        port, file = self.configured(name, template, "haproxy.cfg")
        return self.listening(name, ["haproxy", "-db", "-f", file], cores, port)

    def nginx(self, name, template, cores, **words):
        """An nginx with its configuration made from a template; returns the process and its port."""
        port, file = self.configured(name, template, "nginx.conf", **words)
        place = os.path.dirname(file)
        return self.listening(name, ["nginx", "-e", f"{place}/error.log", "-p", place, "-c", file], cores, port)

    def configured(self, name, template, file_name, **words):
        """A configuration made from a template, for a free port; returns the port and the file."""
        port, place = free_port(), self.folder(name)
        with open(template) as file:
            text = file.read()
        for word, value in {"PORT": port, "PLACE": place, **words}.items():
            text = text.replace(f"@{word}@", str(value))
        path = os.path.join(place, file_name)
        with open(path, "w") as file:
            file.write(text)
        return port, path

    def listening(self, name, command, cores, port):
        process = self.start(name, command, cores)
        process.awaits(lambda: is_open(port), "does not listen")
        return process, port


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_open(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False
