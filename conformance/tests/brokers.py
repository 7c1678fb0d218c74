"""The brokers under test: ours and Apache Kafka, behind one small interface.

A broker is started on a data directory, stopped by SIGTERM, killed by SIGKILL, and started again on the same directory
and port. It is always addressed by the pid that was started, never by name. Settings are given in Kafka's broker names.
"""

import os
import random
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PEER = ROOT / "kafka-peer"


def free_port():
    """A port below the ephemeral range: no client's outgoing connection can take it while its broker is down."""
    while True:
        port = random.randrange(15000, 22000)
        with socket.socket() as s, socket.socket() as controller:
            try:
                s.bind(("127.0.0.1", port))
                controller.bind(("127.0.0.1", port + 10000))
                return port
            except OSError:
                continue


class Broker:
    """One node. `kind` is "takhin" or "kafka"."""

    kind = ""

    def __init__(self, directory, settings=None, port=None):
        self.directory = Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.settings = dict(settings or {})
        self.port = port
        self.pid = None

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def log(self):
        """What the broker wrote for humans, all starts together."""
        try:
            return self.log_path.read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def alive(self):
        raise NotImplementedError

    def memory_bytes(self):
        """Resident memory (VmRSS) of the process."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * 1024

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()


class Takhin(Broker):
    kind = "takhin"
    # Ours has other names for some of Kafka's settings.
    NAMES = {"message.max.bytes": "max.message.bytes", "node.id": "broker.id"}
    # Settings that are not Kafka's.
    OURS = ("storage.", "metrics.", "health.")
    STOP_SECONDS = 20

    def __init__(self, directory, settings=None, port=None):
        super().__init__(directory, settings, port)
        if any("{port}" in str(value) for value in self.settings.values()):
            # What is advertised names the port, so that it can't be left to the start.
            self.port = self.port or free_port()
            self.settings = {k: str(v).replace("{port}", str(self.port)) for k, v in self.settings.items()}
        self.data_dir = self.directory / "data"
        self.log_path = self.directory / "takhin.log"
        self.child = None
        self.metrics_address = self.health_address = None

    @staticmethod
    def binary():
        default = ROOT.parent / "target" / "release" / "takhin"
        return os.environ.get("TAKHIN_BIN", str(default))

    @staticmethod
    def environment():
        """No setting of the caller's reaches a process of ours, TAKHIN_BIN least of all."""
        return {k: v for k, v in os.environ.items() if not k.startswith("TAKHIN_")}

    @classmethod
    def tool(cls, *arguments, timeout=120):
        """Runs the binary as a tool, to its end."""
        command = [cls.binary(), *map(str, arguments)]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=timeout, check=False, env=cls.environment()
        )

    def start(self, wait_s=30):
        config = self.directory / "takhin.yaml"
        config.write_text(self._config())
        with open(self.log_path, "ab") as log:
            begin = log.tell()
            self.child = subprocess.Popen(
                [self.binary(), "serve", "--config", str(config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.environment(),
            )
        self.pid = self.child.pid
        deadline = time.monotonic() + wait_s
        while time.monotonic() < deadline:
            found = re.search(rb"listening on [^\s:]+:(\d+)", self.log_path.read_bytes()[begin:])
            if found:
                self.port = int(found[1])
                text = self.log_path.read_bytes()[begin:].decode(errors="replace")
                said = dict(re.findall(r"^(metrics|health) on ([\d.]+:\d+)$", text, re.MULTILINE))
                self.metrics_address, self.health_address = said["metrics"], said["health"]
                return self
            if self.child.poll() is not None:
                raise AssertionError(f"takhin exited with {self.child.returncode} at its start:\n{self.log()}")
            time.sleep(0.01)
        self.kill()
        raise AssertionError(f"takhin printed no 'listening on' within {wait_s} s:\n{self.log()}")

    def _config(self):
        lines = [
            "server:",
            "  host: 127.0.0.1",
            f"  port: {self.port or 0}",
            "metrics.host: 127.0.0.1",
            "health.host: 127.0.0.1",
            f'storage.data.dir: "{self.data_dir}"',
        ]
        # Several brokers run at once: each takes free ports.
        ours = {"metrics.port": 0, "health.port": 0}
        ours |= {k: v for k, v in self.settings.items() if k.startswith(self.OURS)}
        lines += [f"{k}: {v}" for k, v in ours.items()]
        kafkas = {k: v for k, v in self.settings.items() if k not in ours}
        if kafkas:
            lines.append("kafka:")
            lines += [f"  {self.NAMES.get(k, k)}: {v}" for k, v in kafkas.items()]
        return "\n".join(lines) + "\n"

    def alive(self):
        return self.child is not None and self.child.poll() is None

    def stop(self):
        """SIGTERM; the broker has to leave by itself, with status 0."""
        if not self.alive():
            return
        self.child.send_signal(signal.SIGTERM)
        try:
            status = self.child.wait(self.STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"takhin was still there {self.STOP_SECONDS} s after SIGTERM:\n{self.log()}") from None
        assert status == 0, f"takhin ended with {status} after SIGTERM:\n{self.log()}"

    def kill(self):
        if self.child is not None:
            self.child.kill()
            self.child.wait()


class Kafka(Broker):
    kind = "kafka"

    def __init__(self, directory, settings=None, port=None):
        super().__init__(directory, settings, port or free_port())
        self.data_dir = self.directory / "logs"
        self.log_path = self.directory / "server.log"

    def start(self, wait_s=180):
        settings = dict(self.settings)
        # The node's number is in more than one setting.
        node_id = str(settings.pop("node.id", 1))
        done = subprocess.run(
            [PEER / "kafka-up", str(self.port), str(self.directory)] + [f"{k}={v}" for k, v in settings.items()],
            env={**os.environ, "WAIT_S": str(wait_s), "KAFKA_HEAP": "-Xms256m -Xmx768m", "NODE_ID": node_id},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise AssertionError(f"Apache Kafka did not start: {done.stderr}")
        self.pid = int(done.stdout.split()[-1])
        return self

    def alive(self):
        if self.pid is None:
            return False
        try:
            return "kafka.Kafka" in Path(f"/proc/{self.pid}/cmdline").read_text()
        except FileNotFoundError:
            return False

    def stop(self):
        self._down()

    def kill(self):
        self._down("--kill9")

    def _down(self, *how):
        if self.alive():
            subprocess.run([PEER / "kafka-down", str(self.directory), *how], check=True)
        self.pid = None


KINDS = {"takhin": Takhin, "kafka": Kafka}
