"""The Kubernetes manifests' own commands, arguments and environment, run as processes on loopback."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from e2e_data.exits import Exit
from tests.e2e.conftest import ROOT
from tests.kustomized import one, render

WAIT_S = 300
PROBE_S = 120


def free_ports(count: int) -> list[int]:
    """Return ports that are free now, all different."""
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports: list[int] = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


@dataclass
class Pod:
    """A container of the manifests, as a process."""

    container: dict[str, Any]
    process: subprocess.Popen[str]
    ports: Mapping[str, int]
    log: Path

    def probe(self, name: str) -> None:
        """Wait until a probe of the container is answered, as the kubelet would."""
        how = self.container[name]["httpGet"]
        until = time.monotonic() + PROBE_S
        while True:
            try:
                url = f"http://127.0.0.1:{self.ports[how['port']]}{how['path']}"
                with urllib.request.urlopen(url, timeout=5) as answer:
                    assert answer.status == 200
                    return
            except (urllib.error.URLError, ConnectionError):
                assert self.process.poll() is None, self.log.read_text()
                assert time.monotonic() < until, self.log.read_text()
                time.sleep(0.1)


class Cluster:
    """Runs pods: names lead to loopback, ports and mounted folders to ones of this test."""

    def __init__(self, overlay: Path, folder: Path, installed: Path) -> None:
        self.resources = render(overlay)
        self.folder = folder
        self.installed = installed
        self.shared = dict(zip((5557, 8080), free_ports(2), strict=True))
        """Ports that one pod has, and others know."""
        self.pods: list[Pod] = []

    def start(self, kind: str, name: str) -> Pod:
        """Start one pod of a Job or a Deployment."""
        spec = one(self.resources, kind, name)["spec"]["template"]["spec"]
        container = spec["containers"][0]
        ports = {port["containerPort"]: port["name"] for port in container["ports"]}
        own = {port: self.shared.get(port) or free_ports(1)[0] for port in ports}
        home = self.folder / f"{name}-{len(self.pods)}"
        home.mkdir()
        mounts = self._mount(spec, container, home)
        command = [
            self._placed(text, own, mounts)
            for text in [*container["command"], *container.get("args", [])]
        ]
        environment = {
            **self._image(),
            **{
                name: self._placed(value, own, mounts)
                for name, value in self._environment(container).items()
            },
            "TMPDIR": str(mounts["/tmp"]),
        }
        log = home / "log.txt"
        with log.open("w") as out:
            process = subprocess.Popen(
                command, cwd=home, env=environment, stdout=out, stderr=out, text=True
            )
        pod = Pod(container, process, {ports[port]: own[port] for port in ports}, log)
        self.pods.append(pod)
        return pod

    def stop(self) -> None:
        """End what is left."""
        for pod in self.pods:
            if pod.process.poll() is None:
                pod.process.kill()
                pod.process.wait()

    def _environment(self, container: dict[str, Any]) -> dict[str, str]:
        """Return what the container's environment would be, as the kubelet makes it."""
        values: dict[str, str] = {}
        for source in container.get("envFrom", []):
            values |= one(self.resources, "ConfigMap", source["configMapRef"]["name"])["data"]
        for each in container.get("env", []):
            if "valueFrom" in each:
                assert each["valueFrom"]["fieldRef"]["fieldPath"] == "status.podIP"
                values[each["name"]] = "127.0.0.1"
            else:
                values[each["name"]] = re.sub(
                    r"\$\((\w+)\)", lambda found: values[found[1]], each["value"]
                )
        return values

    def _image(self) -> dict[str, str]:
        """Return the environment of the image: paystorm is installed, and its folder is not the tree."""
        return {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(self.installed),
            "PYTHONDONTWRITEBYTECODE": "1",
            "LOCUST_LOCUSTFILE": str(self.installed / "locustfiles" / "payments.py"),
        }

    def _mount(
        self, spec: dict[str, Any], container: dict[str, Any], home: Path
    ) -> dict[str, Path]:
        volumes = {volume["name"]: volume for volume in spec["volumes"]}
        mounts: dict[str, Path] = {}
        for mount in container["volumeMounts"]:
            volume = volumes[mount["name"]]
            folder = home / mount["name"]
            if "persistentVolumeClaim" in volume:
                folder = self.folder / volume["persistentVolumeClaim"]["claimName"]
            folder.mkdir(exist_ok=True)
            if "configMap" in volume:
                data = one(self.resources, "ConfigMap", volume["configMap"]["name"])["data"]
                for name, text in data.items():
                    (folder / name).write_text(text)
            mounts[mount["mountPath"]] = folder
        return mounts

    def _placed(self, text: str, ports: Mapping[int, int], mounts: Mapping[str, Path]) -> str:
        """Replace what is different here: Services' names, ports, mounted folders."""
        for resource in self.resources:
            if resource["kind"] == "Service":
                text = text.replace(resource["metadata"]["name"], "127.0.0.1")
        text = text.replace("0.0.0.0", "127.0.0.1")
        # Each in one pass: what was put in must not be replaced once more.
        here = {str(port): str(own) for port, own in {**self.shared, **ports}.items()}
        text = re.sub(r"\d{4,5}", lambda found: here.get(found[0], found[0]), text)
        paths = "|".join(mounts)
        return re.sub(
            rf"^(--[\w-]+=)?({paths})(?=/|$)",
            lambda found: f"{found[1] or ''}{mounts[found[2]]}",
            text,
        )


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """The local overlay, with paystorm installed as the image has it."""
    source, installed = tmp_path / "source", tmp_path / "installed"
    ignored = shutil.ignore_patterns(
        ".*", "reports/runs", "runs", "tests", "__pycache__", "*.egg-info"
    )
    shutil.copytree(ROOT, source, ignore=ignored)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile"]
    subprocess.run([*command, "--target", str(installed), str(source)], check=True, timeout=120)
    (tmp_path / "pods").mkdir()
    running = Cluster(ROOT / "k8s/overlays/local", tmp_path / "pods", installed)
    yield running
    running.stop()


def test_the_manifests_run_to_a_verdict(cluster: Cluster, tmp_path: Path) -> None:
    """Master and workers find each other, wait for each other, and end with the verdict as exit code."""
    sandbox = cluster.start("Deployment", "paystorm-sandbox")
    sandbox.probe("readinessProbe")
    master = cluster.start("Job", "paystorm-master")
    master.probe("startupProbe")
    jobs = one(cluster.resources, "Job", "paystorm-worker")["spec"]
    workers = [cluster.start("Job", "paystorm-worker") for _ in range(jobs["completions"])]
    for worker in workers:
        worker.probe("livenessProbe")
    assert master.process.wait(WAIT_S) == Exit.GOOD, master.log.read_text()
    assert [worker.process.wait(WAIT_S) for worker in workers] == [0, 0]
    assert "RIGHT, and as fast as asked" in master.log.read_text()
    run = (tmp_path / "pods" / "paystorm-runs" / "local" / "latest").resolve()
    summary = json.loads((run / "summary.json").read_text())
    assert summary["journaled"] == summary["commands"] > 100
    events = [json.loads(line) for line in (run / "timeline.jsonl").open()]
    names = [event["event"] for event in events if "event" in event]
    assert (
        names.index("phase began")
        > [n for n, name in enumerate(names) if name == "worker joined"][1]
    )
    leftover = [
        path for pod in cluster.pods for path in (pod.log.parent / "tmp").rglob("paystorm-*")
    ]
    assert not leftover, "a worker's spool is empty once the master has its journal"
