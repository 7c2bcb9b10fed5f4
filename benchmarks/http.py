"""How fast one Locust process sends over HTTP, against what else there is, and how exactly.

    python benchmarks/http.py            about two minutes
    python benchmarks/http.py --quick    seconds, to see that it runs
    python benchmarks/http.py --otel     what a command takes with spans, and nothing else

All send to the same nginx, of the system's packages, which answers as a payments platform does; it
has the machine's last core, and each client the first. What counts is requests per second of
processor time: what else the machine does counts less then. No figure makes it fail.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __package__ in (None, ""):
    # Before any other import: in this folder are modules with the names of the library's own.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import argparse
import json
import os
import re
import resource
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks.measure import ROOT, Row, table
from tests import k6 as pinned_k6
from tests import vegeta as pinned_vegeta
from tests.golang import NotBuiltError

USERS = 128
GOAL = 6
START_S = 10
NGINX = """
worker_processes 1; worker_cpu_affinity {mask}; daemon off; pid {home}/pid; error_log {home}/log;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000000; default_type application/json;
  client_body_temp_path {home}/body; proxy_temp_path {home}/proxy; fastcgi_temp_path {home}/fast;
  uwsgi_temp_path {home}/uwsgi; scgi_temp_path {home}/scgi;
  server {{
    listen 127.0.0.1:{port};
    location / {{ return 202 '{{"commandId":"9036106f-9511-8e2b-946a-a44d042a3308","status":"ACCEPTED"}}'; }}
  }}
}}
"""
WRK = """wrk.method = "POST"
wrk.body = string.rep("x", 400)
wrk.headers["Content-Type"] = "application/json"
"""
K6 = """import http from "k6/http";
const body = "x".repeat(400);
export const options = {{ vus: {users}, duration: "{seconds}s" }};
export default function () {{ http.post("{url}/api/payments", body); }}
"""


@dataclass(frozen=True, slots=True)
class Speed:
    """What a client did."""

    requests: int
    wall_s: float
    cpu_s: float

    @property
    def per_cpu_s(self) -> float:
        """Requests per second of processor time."""
        return self.requests / self.cpu_s if self.cpu_s else 0.0


@contextmanager
def serving(nginx: str) -> Iterator[str]:
    """Run nginx on the last core, and give its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    mask = "1" + "0" * ((os.cpu_count() or 1) - 1)
    with tempfile.TemporaryDirectory() as home:
        config = Path(home) / "nginx.conf"
        config.write_text(NGINX.format(mask=mask, home=home, port=port))
        process = subprocess.Popen([nginx, "-c", str(config), "-e", f"{home}/log"])
        try:
            _await(port)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait()


def _await(port: int) -> None:
    until_s = time.monotonic() + START_S
    while time.monotonic() < until_s:
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError("nginx did not start")


def of_locust(name: str, url: str, seconds: float) -> dict[str, float]:
    """Run one client of `http_clients`, and return its figures."""
    command = [sys.executable, "-m", "benchmarks.http_clients", name, url, str(USERS), str(seconds)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def speed_of(name: str, url: str, seconds: float) -> Speed:
    """Return how fast a client of `http_clients` is."""
    figures = of_locust(name, url, seconds)
    return Speed(int(figures["requests"]), figures["wall_s"], figures["cpu_s"])


def of_command(command: list[str], count: Callable[[str], int]) -> Speed:
    """Run a load generator on the first core; `count` finds the requests in what it prints."""
    before, began_s = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    pinned = ["taskset", "-c", "0", *command] if shutil.which("taskset") else command
    done = subprocess.run(pinned, capture_output=True, text=True, check=True)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = used.ru_utime - before.ru_utime + used.ru_stime - before.ru_stime
    return Speed(count(done.stdout), time.monotonic() - began_s, cpu_s)


def wrk(path: str, url: str, seconds: float, home: Path) -> Speed:
    """Measure a generator in C."""
    script = home / "post.lua"
    script.write_text(WRK)
    command = [
        path,
        "-t1",
        f"-c{USERS}",
        f"-d{seconds:.0f}s",
        "-s",
        str(script),
        f"{url}/api/payments",
    ]
    return of_command(command, lambda out: int(_found(r"(\d+) requests in", out)))


def vegeta(path: str, url: str, seconds: float, home: Path) -> Speed:
    """Measure a generator in Go, without bounds on its rate."""
    targets, result = home / "targets", home / "result"
    (home / "body").write_text("x" * 400)
    targets.write_text(f"POST {url}/api/payments\n@{home / 'body'}\n")
    attack = ["attack", "-rate=0", f"-max-workers={USERS}", f"-duration={seconds:.0f}s"]
    command = [path, *attack, f"-targets={targets}", f"-output={result}"]
    done = of_command(command, lambda _: 0)
    told = subprocess.run([path, "report", "-type=json", result], capture_output=True, check=True)
    return Speed(int(json.loads(told.stdout)["requests"]), done.wall_s, done.cpu_s)


def k6(path: str, url: str, seconds: float, home: Path) -> Speed:
    """Measure a generator in Go with scripts."""
    script, summary = home / "post.js", home / "summary.json"
    script.write_text(K6.format(users=USERS, seconds=round(seconds), url=url))
    command = [path, "run", "--quiet", f"--summary-export={summary}", str(script)]
    done = of_command(command, lambda _: 0)
    count = json.loads(summary.read_text())["metrics"]["http_reqs"]["count"]
    return Speed(int(count), done.wall_s, done.cpu_s)


OTHERS = {"wrk": wrk, "vegeta": vegeta, "k6": k6}
BUILT = {"vegeta": pinned_vegeta, "k6": pinned_k6}
"""Those that are built where they are not installed."""


def others(url: str, seconds: float) -> Iterator[tuple[str, Speed | str]]:
    """Measure what other generators there are; say why one is left out."""
    for name, measure in OTHERS.items():
        try:
            path = _installed(name)
            with tempfile.TemporaryDirectory() as home:
                yield name, measure(path, url, seconds, Path(home))
        except NotBuiltError as error:
            yield name, f"left out: {error}"
        except (subprocess.CalledProcessError, OSError, ValueError, KeyError) as error:
            yield name, f"failed: {error}"


def _installed(name: str) -> str:
    """Return where a program is; those in Go are built from their pinned sources. Raises NotBuiltError."""
    path = shutil.which(name) or shutil.which(str(Path.home() / "go" / "bin" / name))
    if path is None and name in BUILT:
        return str(BUILT[name].built())
    if path is None:
        raise NotBuiltError("it is not installed")
    return path


def _found(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    if found is None:
        raise ValueError(f"nothing like {pattern} in {text[-200:]!r}")
    return found[1]


def speeds(url: str, seconds: float) -> Iterator[Row]:
    """Yield how fast each is, against FastHttpUser."""
    names = {
        "fast": "FastHttpUser, constant body",
        "paystorm": "paystorm, everything on, unique bodies",
        "paystorm-event": "the same, with a listener on every request",
        "lean": "its client alone, constant request",
        "http": "HttpUser, constant body",
    }
    base = 0.0
    for name, title in names.items():
        found = speed_of(name, url, seconds)
        base = base or found.per_cpu_s
        yield _row(title, found, base, goal=f"{GOAL} x" if name == "paystorm" else "")
    for name, measured in others(url, seconds):
        if isinstance(measured, str):
            yield Row(name, measured, "", "")
        else:
            yield _row(name, measured, base)


def _row(title: str, found: Speed, base: float, goal: str = "") -> Row:
    per_s = found.requests / found.wall_s
    figure = f"{found.per_cpu_s:,.0f} per CPU second ({per_s:,.0f}/s by the clock)"
    return Row(title, figure, goal, f"{found.per_cpu_s / base:.1f} x" if base else "")


def exactness(url: str, seconds: float) -> Iterator[Row]:
    """Yield how exactly a rate is kept."""
    found = of_locust("paced", url, seconds)
    off = abs(found["sent"] / found["planned"] - 1)
    sent = f"{found['sent']:,.0f} of {found['planned']:,.0f}"
    yield Row(f"sent in {seconds:.0f} s at 2,000/s", sent, "within 0.1 %", f"{off:.3%} off")
    late = f"p50 {found['late_p50_ms']:.2f} ms, p99 {found['late_p99_ms']:.2f} ms"
    yield Row("later than intended", late, "", "")
    yield Row("spacing's mean error", f"{found['spacing_error_ms']:.2f} ms", "", "of 0.50 ms")


def spans(url: str, seconds: float) -> Iterator[Row]:
    """Yield what a command takes of a core, without spans and with them; nginx takes those, too."""
    names = {
        "untraced": "without --otel",
        "sampled": "--otel, one attempt in a hundred recorded",
        "traced": "--otel, each recorded",
    }
    base = 0.0
    os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = url
    for name, title in names.items():
        found = of_locust(name, url, seconds)
        base = base or found["cpu_us"]
        more = f"{found['cpu_us'] - base:+.0f} µs, {found['exported']:,.0f} spans of {found['acknowledged']:,.0f}"
        yield Row(
            title, f"{found['cpu_us']:.0f} µs ({more})", "", f"{found['cpu_us'] / base:.1f} x"
        )


def costs(url: str) -> Iterator[Row]:
    """Yield what each part of a request takes."""
    for name, took_us in of_locust("costs", url, 0).items():
        yield Row(name, f"{took_us:.2f} µs", "", "")


def main() -> None:
    """Measure, and print three tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="for seconds only")
    parser.add_argument("--otel", action="store_true", help="what spans take, and nothing else")
    given = parser.parse_args()
    quick = given.quick
    nginx = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    if nginx is None:
        print("skipped: there is no nginx; install it from the system's packages (nginx-light)")
        return
    with serving(nginx) as url:
        if given.otel:
            print(table("a command", spans(url, 2 if quick else 8)))
            return
        print(table("requests", speeds(url, 2 if quick else 8)), end="\n\n")
        print(table("constant rate", exactness(url, 3 if quick else 30)), end="\n\n")
        print(table("cost per request", costs(url)))


if __name__ == "__main__":
    main()
