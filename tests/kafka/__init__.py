"""Real Apache Kafka: a KRaft broker on loopback, from jars that Maven fetches once."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

POM = Path(__file__).with_name("pom.xml")
FETCH_S = 600
START_S = 120
STOP_S = 60
USER, PASSWORD = "tester", "correct-horse"

# One broker that is its own controller. Who is denied is said by access lists; SASL has one user.
_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{plain},SASL_PLAINTEXT://127.0.0.1:{sasl},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{plain},SASL_PLAINTEXT://127.0.0.1:{sasl}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT
sasl.enabled.mechanisms=PLAIN
listener.name.sasl_plaintext.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_{user}="{password}";
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=true
log.dirs={data}
num.partitions=4
auto.create.topics.enable=false
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
"""


class Unavailable(Exception):  # noqa: N818 - it is a state of the machine, and no error
    """Real Kafka cannot be had here; says why."""


def jars() -> Path:
    """Return the folder of the jars, fetched once and kept in the user's cache. Raises Unavailable."""
    for program in ("java", "mvn"):
        if shutil.which(program) is None:
            raise Unavailable(f"there is no {program}")
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(root) / "paystorm" / f"kafka-{hashlib.sha256(POM.read_bytes()).hexdigest()[:16]}"
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        fresh = folder.with_name(f"{folder.name}.{os.getpid()}")
        command = ["mvn", "-q", "-B", "-f", str(POM), "dependency:copy-dependencies"]
        command += ["-DincludeScope=runtime", f"-DoutputDirectory={fresh}"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=FETCH_S)
        except subprocess.TimeoutExpired:
            raise Unavailable(f"its jars were not there after {FETCH_S} s") from None
        if done.returncode:
            raise Unavailable(f"its jars cannot be fetched: {done.stdout[-1000:]}")
        try:
            fresh.rename(folder)
        except OSError:  # Somebody else was faster.
            shutil.rmtree(fresh)
    return folder


class Broker:
    """A broker; it can be stopped and started again with what it has stored."""

    def __init__(self, folder: Path) -> None:
        self.jars, self._folder = jars(), folder
        plain, sasl, controller = _free_ports(3)
        self.bootstrap = f"127.0.0.1:{plain}"
        self.sasl_bootstrap = f"127.0.0.1:{sasl}"
        self._settings = folder / "server.properties"
        self._settings.write_text(
            _PROPERTIES.format(
                plain=plain,
                sasl=sasl,
                controller=controller,
                data=folder / "data",
                user=USER,
                password=PASSWORD,
            )
        )
        self._process: subprocess.Popen[bytes] | None = None
        cluster = "AAAAAAAAAAAAAAAAAAAAAQ"
        self.java(
            "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(self._settings)
        ).check_returncode()

    def command(self, main: str, *arguments: str) -> list[str]:
        """Return the command line of one of Kafka's programs, tuned to start soon."""
        java = ["java", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"]
        return [*java, "-cp", f"{self.jars}/*", main, *arguments]

    def java(self, main: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one of Kafka's programs to its end."""
        command = self.command(main, *arguments)
        return subprocess.run(command, capture_output=True, text=True, timeout=START_S)

    def start(self) -> None:
        """Start it, and return when clients are served."""
        log = (self._folder / "broker.log").open("ab")
        self._process = subprocess.Popen(
            self.command("kafka.Kafka", str(self._settings)),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        until_s = time.monotonic() + START_S
        while time.monotonic() < until_s:
            assert self._process.poll() is None, (self._folder / "broker.log").read_text()[-2000:]
            with socket.socket() as probe:
                if probe.connect_ex(_pair(self.bootstrap)):
                    time.sleep(0.1)
                    continue
            try:
                if self.admin().list_topics(timeout=2).brokers:
                    return
            except KafkaException:
                time.sleep(0.1)
        raise AssertionError("the broker does not serve")

    def stop(self) -> None:
        """End it in good order, if it runs."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def kill(self) -> None:
        """End it at once, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def admin(self) -> AdminClient:
        """Return an administrator."""
        return AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})


@contextmanager
def broker():
    """Run a broker until the end of the block. Raises Unavailable."""
    with tempfile.TemporaryDirectory(prefix="paystorm-kafka-") as folder:
        running = Broker(Path(folder))
        try:
            running.start()
            yield running
        finally:
            running.kill()


def cannot(why: Unavailable) -> None:
    """Skip the test, saying why; in CI, told by the variable CI, fail it."""
    reason = f"real Apache Kafka: {why}"
    if os.environ.get("CI"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def _pair(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host, int(port)
