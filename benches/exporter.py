#!/usr/bin/env python3
"""What a scrape costs: this agent beside Debian's prometheus-node-exporter, in one run.

    cargo build --release && benches/exporter.py             # a Markdown table on stdout
    benches/exporter.py --rounds 3 --scrapes 100 --no-wrk    # quicker
    benches/exporter.py --soak 100000                        # our memory over so many scrapes

Both serve at the same time, and rounds of scrapes alternate between them, so that a neighbour who
keeps the machine busy disturbs both alike. Latency is from sending the request to the last byte of
the answer, over one connection that is kept. Processor time is what the kernel accounts for all
threads of the process (`/proc/PID/stat`, in ticks of 10 ms, and `/proc/PID/task/*/schedstat`, in
nanoseconds); the median of the rounds counts. Needs Linux, Python 3.9 or newer, and nothing else.
"""
import argparse
import http.client
import os
import platform
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TICK = os.sysconf("SC_CLK_TCK")
HEADERS = {"Accept": "text/plain;version=0.0.4;q=1,*/*;q=0.1", "Accept-Encoding": "identity"}
# Collectors that both have, and that say something on a virtual machine without special hardware;
# node_exporter has the first ones on by default, the last four only when asked.
DEFAULT = (
    "arp bonding conntrack cpu cpufreq diskstats dmi edac entropy filefd filesystem hwmon loadavg "
    "mdadm meminfo netclass netdev netstat os powersupplyclass pressure rapl schedstat selinux "
    "sockstat softnet stat textfile thermal_zone time timex udp_queues uname vmstat"
).split()
ASKED = "interrupts processes tcpstat".split()


def free_port():
    with socket.socket() as it:
        it.bind(("127.0.0.1", 0))
        return it.getsockname()[1]


class Exporter:
    """A program under measurement, and what was seen of it."""

    def __init__(self, name, command):
        self.name, self.command = name, command
        self.port = free_port()
        self.latencies, self.ticks, self.nanos, self.starts = [], [], [], []
        self.process = self.connection = None
        self.wrk = None

    def start(self):
        command = [*self.command, f"--web.listen-address=127.0.0.1:{self.port}"]
        begun = time.perf_counter()
        self.process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while True:
            try:
                if self.get():
                    break
            except OSError:
                self.connection = None
                if self.process.poll() is not None:
                    sys.exit(f"{self.name} ended: {' '.join(command)}")
                if time.perf_counter() - begun > 30:
                    sys.exit(f"{self.name} never answered")
                time.sleep(0.0005)
        return (time.perf_counter() - begun) * 1e3

    def stop(self):
        self.connection = None
        self.process.kill()
        self.process.wait()

    def get(self):
        try:
            return self.ask()
        except http.client.RemoteDisconnected:
            # The others took long, and a connection that rests for half a minute is closed.
            self.connection = None
            return self.ask()

    def ask(self):
        if self.connection is None:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            connection.connect()
            connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connection = connection
        self.connection.request("GET", "/metrics", headers=HEADERS)
        answer = self.connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            sys.exit(f"{self.name} answered {answer.status}")
        return body

    def cpu_ticks(self):
        with open(f"/proc/{self.process.pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    def cpu_nanos(self):
        total, folder = 0, f"/proc/{self.process.pid}/task"
        for task in os.listdir(folder):
            try:
                with open(f"{folder}/{task}/schedstat") as file:
                    total += int(file.read().split()[0])
            except OSError:
                pass
        return total

    def round(self, scrapes):
        ticks, nanos = self.cpu_ticks(), self.cpu_nanos()
        for _ in range(scrapes):
            begun = time.perf_counter()
            self.get()
            self.latencies.append((time.perf_counter() - begun) * 1e3)
        self.ticks.append((self.cpu_ticks() - ticks) / TICK * 1e3 / scrapes)
        self.nanos.append((self.cpu_nanos() - nanos) / 1e6 / scrapes)

    def memory(self):
        with open(f"/proc/{self.process.pid}/status") as file:
            said = dict(re.findall(r"(\w+):\s+(\d+) kB", file.read()))
        return int(said["VmRSS"]) / 1024, int(said["RssAnon"]) / 1024

    def press(self, seconds):
        words = ["wrk", "-t1", "-c8", f"-d{seconds}s"]
        for name, said in HEADERS.items():
            words += ["-H", f"{name}: {said}"]
        words.append(f"http://127.0.0.1:{self.port}/metrics")
        said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
        self.wrk = float(re.search(r"Requests/sec:\s+([\d.]+)", said)[1])


def share(values, part):
    values = sorted(values)
    at = (len(values) - 1) * part
    low = int(at)
    high = min(low + 1, len(values) - 1)
    return values[low] + (values[high] - values[low]) * (at - low)


def busy():
    """Seconds for which the machine's processors were busy, and those stolen by its host."""
    with open("/proc/stat") as file:
        ticks = [int(it) for it in file.readline().split()[1:]]
    return (ticks[0] + ticks[1] + ticks[2] + ticks[5] + ticks[6]) / TICK, ticks[7] / TICK


def processor():
    with open("/proc/cpuinfo") as file:
        found = re.search(r"model name\s*: (.*)", file.read())
    return found[1] if found else platform.machine()


def exporters(ours, theirs, state):
    def only(names):
        return ["--collector.disable-defaults", *(f"--collector.{name}" for name in names)]

    bare = ["--web.disable-exporter-metrics"]
    holdfast = [ours, "--state", state, "agent"]
    return [
        Exporter("node_exporter, no flags", [theirs]),
        Exporter("holdfast, no flags", holdfast),
        Exporter("node_exporter, the same collectors", [theirs, *bare, *only(DEFAULT)]),
        Exporter("holdfast, the same collectors", [*holdfast, *bare, *only(DEFAULT)]),
        Exporter("node_exporter, the same and those asked for",
                 [theirs, *bare, *only(DEFAULT + ASKED)]),
        Exporter("holdfast, the same and those asked for",
                 [*holdfast, *bare, *only(DEFAULT + ASKED)]),
    ]


COLUMNS = ("exporter", "series", "bytes", "p50 ms", "p99 ms", "CPU ms/scrape", "in ticks",
           "RSS MB (anonymous)", "binary MB", "start to 1st scrape ms", "wrk req/s")


def row(it):
    body = it.get().decode()
    series = sum(1 for line in body.split("\n") if line and not line.startswith("#"))
    resident, anonymous = it.memory_seen
    wrk = f"{it.wrk:,.0f}" if it.wrk else "-"
    binary = os.path.getsize(os.path.realpath(it.command[0])) / 1e6
    return [
        it.name, f"{series}", f"{len(body):,}", f"{statistics.median(it.latencies):.2f}",
        f"{share(it.latencies, 0.99):.2f}", f"{statistics.median(it.nanos):.2f}",
        f"{statistics.median(it.ticks):.2f}", f"{resident:.1f} ({anonymous:.1f})",
        f"{binary:.1f}", f"{statistics.median(it.starts):.1f}", wrk,
    ]


def compare(words, ours, theirs, state):
    all_of_them = exporters(ours, theirs, state)
    for _ in range(words.starts):
        for it in all_of_them:
            it.starts.append(it.start())
            it.stop()
    for it in all_of_them:
        it.start()
        for _ in range(20):
            it.get()
    (begun, stolen), since = busy(), time.time()
    own = sum(os.times()[:2])
    used = sum(it.cpu_nanos() for it in all_of_them)
    for _ in range(words.rounds):
        for it in all_of_them:
            it.round(words.scrapes)
    elapsed = time.time() - since
    used = (sum(it.cpu_nanos() for it in all_of_them) - used) / 1e9
    (end, stolen_end), own = busy(), sum(os.times()[:2]) - own
    others = max(0.0, end - begun - used - own) / elapsed
    for it in all_of_them:
        it.memory_seen = it.memory()
    if words.wrk and shutil.which("wrk"):
        for it in all_of_them:
            it.press(words.wrk)
    print("| " + " | ".join(COLUMNS) + " |")
    print("|" + "---|" * len(COLUMNS))
    for it in all_of_them:
        print("| " + " | ".join(row(it)) + " |")
    print()
    for theirs, mine in zip(all_of_them[::2], all_of_them[1::2]):
        ratios = [a / b for a, b in zip(theirs.nanos, mine.nanos)]
        print(f"- {theirs.name}: {statistics.median(ratios):.1f} times the processor time of "
              f"{mine.name} ({min(ratios):.1f} to {max(ratios):.1f} over {len(ratios)} rounds)")
    print(f"- {words.rounds} rounds of {words.scrapes} scrapes each; meanwhile everything else kept "
          f"{others:.2f} of {os.cpu_count()} processors busy, and the host took "
          f"{(stolen_end - stolen) / elapsed:.2f}")
    for it in all_of_them:
        it.stop()


def soak(words, ours, state):
    it = Exporter("holdfast", [ours, "--state", state, "agent", *words.flag])
    it.start()
    print("| scrapes | RSS MB | anonymous MB | open descriptors | CPU ms/scrape |")
    print("|---|---|---|---|---|")
    marks = sorted({int(words.soak * part) for part in (0, 0.005, 0.1, 0.25, 0.5, 0.75, 1)})
    done, settled = 0, None
    for mark in marks:
        nanos, more = it.cpu_nanos(), mark - done
        for _ in range(more):
            it.get()
        each = (it.cpu_nanos() - nanos) / 1e6 / more if more else float("nan")
        done = mark
        resident, anonymous = it.memory()
        files = len(os.listdir(f"/proc/{it.process.pid}/fd"))
        print(f"| {done:,} | {resident:.2f} | {anonymous:.2f} | {files} | {each:.2f} |", flush=True)
        if settled is None and done >= min(500, words.soak):
            settled = resident
    it.stop()
    grown = resident - settled
    if words.flat is not None and grown > words.flat:
        sys.exit(f"not flat: {grown:.2f} MB more than after {min(500, words.soak)} scrapes")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--holdfast", default=f"{HERE}/../target/release/holdfast")
    parser.add_argument("--peer", default="prometheus-node-exporter")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--scrapes", type=int, default=200, help="of each, in a round")
    parser.add_argument("--starts", type=int, default=10)
    parser.add_argument("--wrk", type=int, default=5, metavar="SECONDS", help="0: leave it out")
    parser.add_argument("--no-wrk", dest="wrk", action="store_const", const=0)
    parser.add_argument("--soak", type=int, default=0, metavar="SCRAPES")
    parser.add_argument("--flat", type=float, metavar="MB",
                        help="of a soak: fail if resident memory has grown by more")
    parser.add_argument("--flag", action="append", default=[], help="for the agent, in a soak")
    words = parser.parse_args()
    ours = os.path.realpath(words.holdfast)
    if not os.path.exists(ours):
        sys.exit(f"there is no {ours}: cargo build --release")
    day = time.strftime("%Y-%m-%d")
    print(f"{day}, {processor()}, {os.cpu_count()} processors, Linux {platform.release()}\n")
    with tempfile.TemporaryDirectory() as state:
        if words.soak:
            return soak(words, ours, state)
        theirs = shutil.which(words.peer)
        if theirs is None:
            sys.exit(f"there is no {words.peer}: apt-get install prometheus-node-exporter")
        compare(words, ours, theirs, state)


if __name__ == "__main__":
    main()
