"""The peers that are installed, beside us and bare SQL, each through its own client and at its best settings."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from statistics import median, quantiles
from time import monotonic, perf_counter

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from benchmarks.crew import crew, drain
from benchmarks.lab import LIMITS, QUEUE, Lab, scalar
from benchmarks.measure import Contestant, Group, Sample
from benchmarks.peers import PEERS, Peer
from benchmarks.size import Size
from benchmarks.workloads import w2_bulk, w3_drain, w5_pickup
from ectojob_py import Jobs

INSERT = "bare INSERT into an equal table"


def groups(lab: Lab, size: Size) -> Iterator[Group]:
    """Compare enqueuing, draining and pickup; each peer has a database of its own on the same server."""
    peers = [peer for peer in PEERS if peer.installed]
    if missing := [peer.name for peer in PEERS if not peer.installed]:
        print(f"Not installed, so not compared with: {', '.join(missing)}. Install them: make bench-peers")
    if not peers:
        return
    for peer in peers:
        _install(lab, peer)
    bulk = next(iter(w2_bulk.groups(lab, size)))
    drains = [contestant for group in w3_drain.doing_nothing(lab, size) for contestant in group.contestants]
    pickup = next(iter(w5_pickup.groups(lab, size)))
    yield Group(
        "peers",
        "enqueue one by one through the own client, 1 connection",
        [
            Contestant(INSERT, partial(_single, lab, size, (LIMITS / "insert.sql").read_text()), "psycopg"),
            Contestant("Jobs.enqueue", partial(_single, lab, size, None), "psycopg", INSERT),
            *(Contestant(peer.name, partial(_enqueue, lab, peer, "single", size.single), "", INSERT) for peer in peers),
        ],
    )
    yield Group(
        "peers",
        bulk.title,
        [
            *bulk.contestants,
            *(Contestant(p.name, partial(_enqueue, lab, p, "bulk", size.bulk), "", w2_bulk.COPY) for p in peers),
        ],
    )
    yield Group(
        "peers",
        "drain, each at its best",
        [
            *(replace(one, limit=None if one.name == w3_drain.HUNDRED else w3_drain.HUNDRED) for one in drains),
            *(Contestant(peer.name, partial(_drain, lab, peer, size), peer.how, w3_drain.HUNDRED) for peer in peers),
        ],
    )
    yield Group(
        "peers",
        pickup.title,
        [
            *pickup.contestants,
            *(Contestant(p.name, partial(_pickup, lab, p, size), limit=w5_pickup.NOTIFY) for p in peers),
        ],
        unit=pickup.unit,
    )


def _database(peer: Peer) -> str:
    return peer.name.replace("-", "_")


def _dsn(lab: Lab, peer: Peer) -> str:
    return make_conninfo("", **{**conninfo_to_dict(lab.dsn), "dbname": _database(peer)})


def _install(lab: Lab, peer: Peer) -> None:
    lab.conn.execute(f"drop database if exists {_database(peer)} with (force)")
    lab.conn.execute(f"create database {_database(peer)}")
    peer.run("install", _dsn(lab, peer))


def _clear(lab: Lab, peer: Peer) -> None:
    with psycopg.connect(_dsn(lab, peer), autocommit=True) as conn:
        conn.execute(peer.clear)
    lab.conn.execute("checkpoint")


def _single(lab: Lab, size: Size, statement: str | None) -> Sample:
    lab.clear()
    with psycopg.connect(lab.dsn, autocommit=True, prepare_threshold=0) as conn:
        jobs = Jobs(conn)
        started = perf_counter()
        for _ in range(size.single):
            if statement is None:
                jobs.enqueue(QUEUE, {"order": 42})
            else:
                conn.execute(statement)
        return Sample(size.single / (perf_counter() - started))


def _enqueue(lab: Lab, peer: Peer, command: str, jobs: int) -> Sample:
    _clear(lab, peer)
    return Sample(jobs / float(peer.run(command, _dsn(lab, peer), str(jobs))))


def _drain(lab: Lab, peer: Peer, size: Size) -> Sample:
    """Those that are slow get fewer jobs: what is compared is a rate."""
    jobs = size.drain if peer.slow == "drain" else size.fast_drain
    _clear(lab, peer)
    peer.run("bulk", _dsn(lab, peer), str(jobs))
    with psycopg.connect(_dsn(lab, peer), autocommit=True, application_name="bench-lab") as conn:
        conn.execute("vacuum analyze")
        return drain(lab, [peer.command("work", _dsn(lab, peer), "fast")], jobs, lambda: bool(scalar(conn, peer.empty)))


def _pickup(lab: Lab, peer: Peer, size: Size) -> Sample:
    """Match each moment at which the peer began to enqueue with the one at which its handler ran."""
    pings = size.pings // 10 if peer.slow == "pickup" else size.pings
    _clear(lab, peer)
    dsn = _dsn(lab, peer)
    heard: dict[int, float] = {}
    with crew([peer.command("work", dsn, "each")]) as worker:
        worker.go()
        for _ in worker.progress(monotonic() + 3):  # it connects
            pass
        with ThreadPoolExecutor() as pool:
            sent = pool.submit(peer.run, "pings", dsn, str(pings))
            for done in worker.progress(monotonic() + 600):
                heard.setdefault(done, worker.at)
                if done >= pings:
                    break
    latencies = [(heard[n] - float(at)) * 1000 for n, at in enumerate(sent.result().split(), 1) if n in heard]
    cuts = quantiles(latencies, n=100)
    return Sample(median(latencies), {"p95": cuts[94], "p99": cuts[98]})
