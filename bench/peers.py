"""The servers that are measured, and the generator: started pinned, stopped by process id, paused while others run.

Nothing here looks for processes by name: every process is one that this module started, and `Peers.close` ends all
of them, also after ctrl-C. Kafka runs through the scripts of conformance/kafka-peer (or $KAFKA_PEER).
"""

import ctypes
import fcntl
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from stat import S_ISREG

BENCH = pathlib.Path(__file__).resolve().parent
REPO = BENCH.parent
KAFKA_PEER = pathlib.Path(os.environ.get("KAFKA_PEER", REPO / "conformance" / "kafka-peer"))
BROKER_CORE, GENERATOR_CORE = 1, 0
NICE = -15
START_TIMEOUT_S = 90
STORED_TIMEOUT_S = 120
# Lines of a broker's configuration: what is merged is compressed, and nothing waits or is merged.
ZSTD = "kafka.batch.compression.type: zstd\n"
OFF = "kafka.batch: {max.size: 1, linger.ms: 0, adaptive.enabled: false}\n"
# Entries that were applied and are in no checkpoint yet, tails in memory included.
LAG = r'takhin_storage_checkpoint_lag_entries\{shard="1"\}'
STOP_TIMEOUT_S = 15
PR_SET_PDEATHSIG = 1


def say(text):
    print(text, file=sys.stderr, flush=True)


def fail(text):
    sys.exit(f"{pathlib.Path(sys.argv[0]).name}: {text}")


def target_dir(workspace):
    """Where cargo puts the workspace's binaries; bench/ must not share the broker's own target directory."""
    if workspace == BENCH:
        return BENCH / "target"
    return pathlib.Path(os.environ.get("CARGO_TARGET_DIR", REPO / "target"))


def build_tools():
    """Builds kloadgen and ceiling (nothing to do after the first time) and returns where they are."""
    command = ["cargo", "build", "--quiet", "--release", "--locked", "--target-dir", str(target_dir(BENCH))]
    if subprocess.run(command, cwd=BENCH).returncode != 0:
        fail("the tools of bench/ do not build")
    return target_dir(BENCH) / "release"


def free_port():
    # Kafka's controller listens 10,000 above its port: both stay below the range that clients' own ports come from.
    for port in range(21000, 22000):
        try:
            for each in (port, port + 10000):
                with socket.socket() as s:
                    s.bind(("127.0.0.1", each))
            return port
        except OSError:
            continue
    fail("no free port between 21000 and 22000")


def quiet_child(core, nice):
    """Runs in the child before exec: pin it, raise its priority, let it die with us."""

    def prepare():
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if core is not None and core < (os.cpu_count() or 1):
            os.sched_setaffinity(0, {core})
        if nice is not None:
            try:
                os.setpriority(os.PRIO_PROCESS, 0, nice)
            except PermissionError:
                pass  # said once, by `check_machine`

    return prepare


def check_machine(data):
    """One line for each thing that makes the figures worth less."""
    if (os.cpu_count() or 1) < 2:
        say("warning: one core only: broker and generator share it, shares of the bare server mean little")
    try:
        old = os.getpriority(os.PRIO_PROCESS, 0)
        os.setpriority(os.PRIO_PROCESS, 0, NICE)
        os.setpriority(os.PRIO_PROCESS, 0, old)
    except PermissionError:
        say(f"warning: not allowed to use nice {NICE}: other processes will show in the figures")
    kind = subprocess.run(["stat", "-f", "-c", "%T", str(data)], capture_output=True, text=True).stdout.strip()
    if kind in ("tmpfs", "ramfs"):
        say(f"warning: {data} is in memory ({kind}): an fsync there costs nothing; use --data on a disk")
    return kind


class Peer:
    """One running server. `letter` is its place in a block: B takhin, C ceiling, F and N Kafka."""

    def __init__(self, letter, pid, port, stop):
        self.letter, self.pid, self.port, self.stop_process = letter, pid, port, stop

    def pause(self):
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self):
        os.kill(self.pid, signal.SIGCONT)

    def cpu_s(self):
        """Processor seconds so far, of all threads."""
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def rss_mb(self):
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) / 1024

    def stop(self):
        try:
            self.resume()
        except ProcessLookupError:
            pass
        self.stop_process()


def stop_child(child):
    def stop():
        if child.poll() is None:
            child.terminate()
            try:
                child.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                say(f"pid {child.pid} did not stop in {STOP_TIMEOUT_S} s after SIGTERM: killed")
                child.kill()
                child.wait()

    return stop


def wait_for(what, child, log, ready):
    end = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < end:
        if (found := ready()) is not None:
            return found
        if child.poll() is not None:
            fail(f"{what} ended with status {child.returncode}:\n{log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.01)
    fail(f"{what} not ready in {START_TIMEOUT_S} s:\n{log.read_text(errors='replace')[-2000:]}")


class Peers:
    """Starts peers in a scratch directory of their own and ends them all on `close`."""

    def __init__(self, data=None, takhin=None):
        self.running = []
        base = pathlib.Path(data) if data else REPO / "target" / "bench-data"
        base.mkdir(parents=True, exist_ok=True)
        # One measurement at a time on a machine: a second one waits here.
        self.lock = open(pathlib.Path(tempfile.gettempdir()) / "takhin-bench.lock", "w")
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another measurement runs on this machine; waiting for it")
            fcntl.flock(self.lock, fcntl.LOCK_EX)
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix="run-", dir=base))
        self.filesystem = check_machine(self.scratch)
        self.takhin_binary = pathlib.Path(takhin) if takhin else target_dir(REPO) / "release" / "takhin"
        self.tools = build_tools()
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for s in (signal.SIGINT, signal.SIGTERM):
            signal.signal(s, signal.SIG_IGN)  # a second ctrl-C must not leave processes behind
        for peer in self.running:
            peer.stop()
        self.running = []
        shutil.rmtree(self.scratch, ignore_errors=True)

    def spawn(self, command, log, core=BROKER_CORE, nice=NICE):
        with open(log, "ab") as out:
            return subprocess.Popen(
                [str(c) for c in command],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=quiet_child(core, nice),
            )

    def add(self, letter, child, port):
        peer = Peer(letter, child.pid, port, stop_child(child))
        self.running.append(peer)
        return peer

    def drop(self, peer):
        peer.stop()
        self.running.remove(peer)

    def start_ceiling(self, partitions):
        port, log, ring = free_port(), self.scratch / "ceiling.log", self.scratch / "ceiling.wal"
        child = self.spawn([self.tools / "ceiling", port, partitions, ring, "raw", 1, "pre", 1], log)
        peer = self.add("C", child, port)
        wait_for("ceiling", child, log, lambda: True if answers(port) else None)
        return peer

    def takhin_command(self, name, port, extra):
        """The command line of a broker on an empty data directory."""
        if not self.takhin_binary.exists():
            fail(f"{self.takhin_binary} is missing: cargo build --release --bin takhin, or say --takhin FILE")
        home = self.scratch / name
        home.mkdir()
        config = home / "takhin.yaml"
        config.write_text(f"server: {{host: 127.0.0.1, port: {port}}}\nmetrics.port: 0\nhealth.port: 0\nstorage: {{data.dir: {home / 'data'}}}\n{extra}")
        return [self.takhin_binary, "serve", "--config", config]

    def start_takhin(self, extra=""):
        command = self.takhin_command("takhin", 0, extra)
        built = time.localtime(self.takhin_binary.stat().st_mtime)
        say(f"takhin built {time.strftime('%Y-%m-%d %H:%M:%S', built)}")
        return self.spawn_takhin(command)

    def spawn_takhin(self, command):
        log = self.scratch / f"takhin-{len(list(self.scratch.glob('takhin-*.log')))}.log"
        child = self.spawn(command, log)
        peer = self.add("B", child, 0)
        peer.port = wait_for("takhin", child, log, lambda: listening_port(log))
        peer.command, peer.log = command, log
        return peer

    def start_paused(self, name, extra=""):
        """A broker called `name` on an empty data directory; its `directory` is that of its partitions."""
        peer = self.spawn_takhin(self.takhin_command(name, 0, extra))
        peer.letter, peer.directory = name, self.scratch / name / "data" / "partitions"
        peer.pause()
        return peer

    def restart_killed(self, peer):
        """SIGKILL, then the same broker on what is left; returns it and the seconds until it answered."""
        os.kill(peer.pid, signal.SIGKILL)
        self.drop(peer)
        begin = time.monotonic()
        again = self.spawn_takhin(peer.command)
        while not answers(again.port):
            time.sleep(0.001)
        return again, time.monotonic() - begin

    def start_kafka(self, letter, settings):
        if not (KAFKA_PEER / "kafka-up").exists():
            fail(f"{KAFKA_PEER} has no kafka-up; leave Kafka out with --peers C, or set KAFKA_PEER")
        home, port = self.scratch / f"kafka-{letter}", free_port()
        # Kafka outlives the script that starts it, so it is known by the pid that the script prints.
        up = subprocess.run(
            [KAFKA_PEER / "kafka-up", str(port), str(home), "broker.session.timeout.ms=600000", *settings],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env={**os.environ, "WAIT_S": str(START_TIMEOUT_S)},
            start_new_session=True,
            preexec_fn=quiet_child(BROKER_CORE, NICE),
        )
        if (home / "kafka.pid").exists():
            pid = int((home / "kafka.pid").read_text())
            stop = lambda: subprocess.run([KAFKA_PEER / "kafka-down", str(home)], stdout=subprocess.DEVNULL)
            peer = Peer(letter, pid, port, stop)
            self.running.append(peer)
        if up.returncode != 0:
            fail(f"Kafka did not start:\n{up.stderr[-2000:]}")
        return peer

    def generate(self, **options):
        """Runs kloadgen once, pinned, and returns its JSON line; an answer with an error in it ends the measurement."""
        command = [str(self.tools / "kloadgen")]
        for key, value in options.items():
            command += [f"--{key.replace('_', '-')}", str(value)]
        done = subprocess.run(
            command, capture_output=True, text=True, start_new_session=True, preexec_fn=quiet_child(GENERATOR_CORE, NICE)
        )
        if done.returncode != 0:
            fail(f"{' '.join(command)}\nended with status {done.returncode}:\n{done.stdout}{done.stderr[-2000:]}")
        lines = done.stdout.strip().splitlines()
        return json.loads(lines[-1]) if lines else {}


def listening_port(log):
    """The real port from the line `listening on HOST:PORT`, once it is there."""
    found = re.search(r"listening on 127\.0\.0\.1:(\d+)\D", log.read_text(errors="replace"))
    return int(found[1]) if found else None


def metrics_url(peer):
    """Where a running takhin tells its metrics."""
    port = re.search(r"metrics on http://[^:]*:(\d+)/", peer.log.read_text(errors="replace"))[1]
    return f"http://127.0.0.1:{port}/metrics"


def metric(peer, name):
    """A figure from a running takhin's metrics page."""
    with urllib.request.urlopen(metrics_url(peer), timeout=10) as page:
        return float(re.search(rf"^{name} (\S+)$", page.read().decode(), re.M)[1])


def wait_stored(peer):
    """Until the tails are in segments and a checkpoint has followed."""
    end = time.monotonic() + STORED_TIMEOUT_S
    while metric(peer, LAG) > 0:
        if time.monotonic() > end:
            fail(f"the tails are not stored after {STORED_TIMEOUT_S} s")
        time.sleep(0.1)


def disk_bytes(directory):
    """Blocks of all files, as `du` counts them; what a live broker removes meanwhile takes none."""

    def blocks(file):
        try:
            stat = file.stat()
        except FileNotFoundError:
            return 0
        return stat.st_blocks if S_ISREG(stat.st_mode) else 0

    return 512 * sum(map(blocks, directory.rglob("*")))


def metadata_request():
    """Metadata v9, no topics asked for: what a client sends first after it has connected."""
    body = bytes.fromhex("0003 0009 00000001 0005") + b"start" + bytes.fromhex("00 01 00 00 00 00")
    return len(body).to_bytes(4, "big") + body


def answers(port):
    """Whether a Metadata request is answered now."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as s:
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            s.sendall(metadata_request())
            return len(s.recv(4)) > 0
    except OSError:
        return False
