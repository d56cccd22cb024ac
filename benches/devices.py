#!/usr/bin/env python3
"""What live devices cost: this agent beside node_exporter, on this kernel, with 10, 100 and 1,000 more.

    cargo build --release && sudo benches/devices.py     # a Markdown table on stdout

Interfaces are pairs of veth in a network namespace of their own, mounts are small tmpfs in a mount
namespace of their own; both are gone when this ends. Processor time is what the kernel accounts for
all threads of the exporter (`/proc/PID/task/*/schedstat`); the median of the rounds counts. Needs
root, Linux, `unshare` and `ip`, and Python 3.9 or newer.
"""
import argparse
import http.client
import os
import shutil
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
NUMBERS = (10, 100, 1000)
SUBJECTS = {"interfaces": ("netclass", "netdev"), "mounts": ("filesystem",)}


def sh(*words, text=None):
    subprocess.run(words, input=text, text=True, check=True)


def make(subject, number, folder):
    """Makes so many devices, in the namespaces that this process lives in."""
    if subject == "interfaces":
        sh("mount", "-t", "sysfs", "sysfs", "/sys")
        sh("ip", "link", "set", "lo", "up")
        pairs = (f"link add holdfast{n}a type veth peer name holdfast{n}b\n" for n in range(number // 2))
        sh("ip", "-batch", "-", text="".join(pairs))
        return
    sh("ip", "link", "set", "lo", "up")
    for n in range(number):
        # Exporters leave out what lies below /run and other places of the system.
        place = f"{folder}/{n}"
        os.mkdir(place)
        sh("mount", "-t", "tmpfs", "-o", "size=4k", f"holdfast{n}", place)


def scrape(connection, collectors):
    connection.request("GET", "/metrics?" + "&".join(f"collect[]={it}" for it in collectors))
    answer = connection.getresponse()
    page = answer.read()
    if answer.status != 200:
        sys.exit(f"a scrape answered {answer.status}: {page[:200]!r}")
    return len(page)


def nanos(pid):
    folder = f"/proc/{pid}/task"
    return sum(int(open(f"{folder}/{it}/schedstat").read().split()[0]) for it in os.listdir(folder))


def cost(words, collectors, rounds):
    """Milliseconds of processor time a scrape, and the page's bytes."""
    child = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    address = None
    for line in child.stdout:
        if "127.0.0.1:" in line:
            address = "127.0.0.1:" + line.split("127.0.0.1:")[1].split()[0].strip('",/').split("/")[0]
            break
    connection = http.client.HTTPConnection(address)
    for _ in range(3):
        size = scrape(connection, collectors)
    figures = []
    for _ in range(rounds):
        before = nanos(child.pid)
        for _ in range(10):
            scrape(connection, collectors)
        figures.append((nanos(child.pid) - before) / 1e7)
    child.kill()
    child.wait()
    return statistics.median(figures), size


def inside(subject, number, ours, theirs, rounds):
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        make(subject, number, folder)
        state = os.path.join(folder, "state")
        agent = [ours, "--state", state, "agent", "--web.listen-address", "127.0.0.1:0"]
        peer = [theirs, "--web.listen-address=127.0.0.1:29100"]
        for name, words in (("node_exporter", peer), ("holdfast", agent)):
            ms, size = cost(words, SUBJECTS[subject], rounds)
            print(f"| {subject} | {name} | {number:,} | {size:,} | {ms:.2f} | {ms * 1e3 / number:.1f} |",
                  flush=True)
        if subject == "mounts":
            for n in range(number):
                sh("umount", f"{folder}/{n}")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--holdfast", default=f"{HERE}/../target/release/holdfast")
    parser.add_argument("--peer", default="prometheus-node-exporter")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--inside", nargs=2, metavar=("SUBJECT", "NUMBER"), help=argparse.SUPPRESS)
    words = parser.parse_args()
    ours, theirs = os.path.realpath(words.holdfast), shutil.which(words.peer)
    if not os.path.exists(ours):
        sys.exit(f"there is no {ours}: cargo build --release")
    if theirs is None:
        sys.exit(f"there is no {words.peer}: apt-get install prometheus-node-exporter")
    if words.inside:
        return inside(words.inside[0], int(words.inside[1]), ours, theirs, words.rounds)
    if os.getuid() != 0:
        sys.exit("namespaces with devices of their own take root: sudo benches/devices.py")
    print("| | exporter | number | bytes | CPU ms/scrape | µs each |")
    print("|---|---|---|---|---|---|", flush=True)
    for subject in SUBJECTS:
        for number in NUMBERS:
            # Mounts are those of process 1, so this becomes one.
            sh("unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc",
               sys.executable, __file__, "--holdfast", ours, "--peer", theirs,
               "--rounds", str(words.rounds), "--inside", subject, str(number))


if __name__ == "__main__":
    main()
