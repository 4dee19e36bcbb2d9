# SPDX-License-Identifier: MIT
"""Python's side of the benchmark, each workload in the idiom that is fastest there.

A request is a line "NAME COUNT" on stdin, the answer a line "VALUE CHECK" on stdout, or
"error REASON"; see sides.lua.  VALUE is seconds for COUNT items unless the workload says
otherwise, CHECK is what proves that the work was done.  What lives longer than a request
(pools, echoing workers) is made by the first one and kept.
"""

import concurrent.futures
import ctypes
import multiprocessing
import multiprocessing.pool
import multiprocessing.shared_memory
import os
import queue
import selectors
import sys
import threading
import time
from time import perf_counter as clock

# The fastest way to start processes that Python has, also where it is not the default.
processes = multiprocessing.get_context("fork")
kept = {}


def keep(name, make):
    if name not in kept:
        kept[name] = make()
    return kept[name]


# ------------------------------------------------------------------------ births


def nothing():
    pass


def start_many(kind, n):
    good = 0
    started = clock()
    for _ in range(n):
        worker = kind(target=nothing)
        worker.start()
        worker.join()
        good += not worker.is_alive()
    return clock() - started, good


def start_thread(n):
    return start_many(threading.Thread, n)


def start_table(n):
    good = 0
    started = clock()
    for _ in range(n):
        given = []
        worker = threading.Thread(target=lambda: given.append([1]))
        worker.start()
        worker.join()
        good += given[0][0]
    return clock() - started, good


def start_process(n):
    return start_many(processes.Process, n)


def start_process_big(n):
    keep("heap", lambda: b"x" * (1 << 30))
    return start_process(n)


def wait_for(gate):
    gate.wait()


def memory(pid, field):
    with open(f"/proc/{pid}/smaps_rollup") as file:
        return sum(int(line.split()[1]) * 1024 for line in file if line.startswith(field))


def memory_thread(n):
    gate = threading.Event()
    before = memory("self", "Rss")
    workers = [threading.Thread(target=wait_for, args=(gate,)) for _ in range(n)]
    for worker in workers:
        worker.start()
    size = memory("self", "Rss") - before
    gate.set()
    for worker in workers:
        worker.join()
    return size, n


def ready_and_wait(ready, gate):
    ready.release()
    gate.wait()


def memory_process(n):
    ready, gate = processes.Semaphore(0), processes.Event()
    workers = [processes.Process(target=ready_and_wait, args=(ready, gate)) for _ in range(n)]
    for worker in workers:
        worker.start()
    for _ in workers:
        ready.acquire()
    size = sum(memory(worker.pid, "Private") for worker in workers)
    gate.set()
    for worker in workers:
        worker.join()
    return size, n


# ------------------------------------------------------------------------ queues

record = {"id": 7, "name": "item", "v": 0.5}
thousand = list(range(1, 1001))


def drain(get, n, out):
    total = 0
    for _ in range(n):
        total += get()
    out(total)


def drain_lists(get, n, out):
    total = 0
    for _ in range(n // 1000):
        total += sum(get())
    out(total)


def drain_records(get, n, out):
    total = 0
    for _ in range(n):
        total += get()["id"]
    out(total)


def through_thread(n, body, send):
    line, totals = queue.SimpleQueue(), queue.SimpleQueue()
    worker = threading.Thread(target=body, args=(line.get, n, totals.put))
    worker.start()
    started = clock()
    send(line.put)
    total = totals.get()
    taken = clock() - started
    worker.join()
    return taken, total


def through_process(n, body, send):
    """A pipe is faster than multiprocessing.Queue for one sender and one receiver."""
    ours, theirs = processes.Pipe()
    worker = processes.Process(target=body, args=(theirs.recv, n, theirs.send))
    worker.start()
    started = clock()
    send(ours.send)
    total = ours.recv()
    taken = clock() - started
    worker.join()
    return taken, total


def numbers(n):
    def send(put):
        for i in range(1, n + 1):
            put(i)

    return send


def lists(n):
    def send(put):
        for _ in range(n // 1000):
            put(thousand)

    return send


def records(n):
    def send(put):
        for _ in range(n):
            put(record)

    return send


def queue_thread(n):
    return through_thread(n, drain, numbers(n))


def queue_process(n):
    return through_process(n, drain, numbers(n))


def queue_many_thread(n):
    return through_thread(n, drain_lists, lists(n))


def queue_many_process(n):
    return through_process(n, drain_lists, lists(n))


def queue_table_thread(n):
    return through_thread(n, drain_records, records(n))


def queue_table_process(n):
    return through_process(n, drain_records, records(n))


def echo_numbers(get, put, n):
    for _ in range(n):
        put(get())


def ping_pong(worker, put, get, n):
    worker.start()
    total = 0
    started = clock()
    for i in range(1, n + 1):
        put(i)
        total += get()
    taken = clock() - started
    worker.join()
    return taken, total


def ping_pong_thread(n):
    there, back = queue.SimpleQueue(), queue.SimpleQueue()
    worker = threading.Thread(target=echo_numbers, args=(there.get, back.put, n))
    return ping_pong(worker, there.put, back.get, n)


def ping_pong_process(n):
    ours, theirs = processes.Pipe()
    worker = processes.Process(target=echo_numbers, args=(theirs.recv, theirs.send, n))
    return ping_pong(worker, ours.send, ours.recv, n)


# ------------------------------------------------------------------------- locks


def lock_free_with(lock, n):
    acquire, release = lock.acquire, lock.release
    started = clock()
    for _ in range(n):
        acquire()
        release()
    taken = clock() - started
    return taken, n if lock.acquire(False) else 0


def lock_free_thread(n):
    return lock_free_with(threading.Lock(), n)


def lock_free_process(n):
    return lock_free_with(processes.Lock(), n)


def add_under_lock(barrier, lock, cell, n):
    barrier.wait()
    for _ in range(n):
        with lock:
            cell.value += 1


def count(kind, barrier, lock, cell, n):
    workers = [kind(target=add_under_lock, args=(barrier, lock, cell, n // 2)) for _ in range(2)]
    for worker in workers:
        worker.start()
    barrier.wait()
    started = clock()
    for worker in workers:
        worker.join()
    return clock() - started, cell.value


class Cell:
    """A number that threads share."""

    value = 0


def counter_thread(n):
    return count(threading.Thread, threading.Barrier(3), threading.Lock(), Cell(), n)


def counter_process(n):
    cell = processes.RawValue(ctypes.c_longlong, 0)
    return count(processes.Process, processes.Barrier(3), processes.Lock(), cell, n)


# ------------------------------------------------------------------------- pools


def square(n):
    return n * n


MAP_ROUNDS = 10  # as group_pools.lua has it


def map_with(pool, n, *chunksize):
    items = range(1, n + 1)
    started = clock()
    for _ in range(MAP_ROUNDS):
        results = pool.map(square, items, *chunksize)
    return (clock() - started) / MAP_ROUNDS, sum(results)


def thread_pool():
    return keep("threads", lambda: multiprocessing.pool.ThreadPool(4))


def process_pool():
    return keep("processes", lambda: processes.Pool(4))


def map_thread(n):
    return map_with(thread_pool(), n)


def map_process(n):
    return map_with(process_pool(), n)


def map_single_thread(n):
    return map_with(thread_pool(), n, 1)


def map_single_process(n):
    return map_with(process_pool(), n, 1)


def imap_with(pool, n, chunksize):
    started = clock()
    total = sum(pool.imap(square, range(1, n + 1), chunksize))
    return clock() - started, total


def imap_1_thread(n):
    return imap_with(thread_pool(), n, 1)


def imap_1_process(n):
    return imap_with(process_pool(), n, 1)


def imap_100_thread(n):
    return imap_with(thread_pool(), n, 100)


def imap_100_process(n):
    return imap_with(process_pool(), n, 100)


def submit_to(executor, n):
    started = clock()
    futures = [executor.submit(square, i) for i in range(1, n + 1)]
    total = sum(future.result() for future in futures)
    return clock() - started, total


def submit_thread(n):
    return submit_to(keep("executor", lambda: concurrent.futures.ThreadPoolExecutor(4)), n)


def submit_process(n):
    make = concurrent.futures.ProcessPoolExecutor
    return submit_to(keep("executor", lambda: make(4, mp_context=processes)), n)


def select_one(n):
    selector, ends = selectors.DefaultSelector(), []
    for _ in range(100):
        read, write = os.pipe()
        selector.register(read, selectors.EVENT_READ)
        ends.append(write)
    total = 0
    started = clock()
    for i in range(1, n + 1):
        os.write(ends[i * 37 % 100], i.to_bytes(8, "little"))
        key, _ = selector.select()[0]
        total += int.from_bytes(os.read(key.fd, 8), "little")
    return clock() - started, total


def nap():
    time.sleep(1e-4)


def completed(n):
    make = concurrent.futures.ProcessPoolExecutor
    executor = keep("naps", lambda: make(2, mp_context=processes))
    futures = [executor.submit(nap) for _ in range(n)]
    started = time.process_time()
    seen = sum(1 for _ in concurrent.futures.as_completed(futures))
    return time.process_time() - started, seen


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


def speedup(one, two, n):
    """VALUE is how many times faster two workers do eight calls than one does."""
    times = []
    for pool in (one, two):
        started = clock()
        total = sum(pool.map(fib, [n] * 8, 1))
        times.append(clock() - started)
    return times[0] / times[1], total


def fib_thread(n):
    make = multiprocessing.pool.ThreadPool
    return speedup(keep("one", lambda: make(1)), keep("two", lambda: make(2)), n)


def fib_process(n):
    return speedup(keep("one", lambda: processes.Pool(1)), keep("two", lambda: processes.Pool(2)), n)


# -------------------------------------------------------------------------- data


def echo_bytes(pipe):
    while True:
        pipe.send_bytes(pipe.recv_bytes())


def echo_objects(pipe):
    while True:
        pipe.send(pipe.recv())


def echo_array(pipe):
    while True:
        block = multiprocessing.shared_memory.SharedMemory(pipe.recv())
        last = block.buf.cast("d")
        pipe.send(last[-1])
        last.release()
        block.close()


def echoing(body):
    ours, theirs = processes.Pipe()
    processes.Process(target=body, args=(theirs,), daemon=True).start()
    return ours


STRING_ROUNDS = 4  # as group_data.lua has it


def string_process(n):
    pipe = keep("echo", lambda: echoing(echo_bytes))
    data = keep("data", lambda: b"x" * n)
    started = clock()
    for _ in range(STRING_ROUNDS):
        pipe.send_bytes(data)
        back = pipe.recv_bytes()
    taken = (clock() - started) / STRING_ROUNDS
    return taken, n if back == data else 0


def floats_process(n):
    pipe = keep("echo", lambda: echoing(echo_objects))
    data = keep("data", lambda: [i + 0.5 for i in range(1, n + 1)])
    started = clock()
    pipe.send(data)
    back = pipe.recv()
    taken = clock() - started
    return taken, n if back == data else 0


def array_handle_process(n):
    # The block first: its resource tracker must be there before the fork.
    block = keep("block", lambda: multiprocessing.shared_memory.SharedMemory(create=True, size=8 * n))
    pipe = keep("echo", lambda: echoing(echo_array))
    view = block.buf.cast("d")
    view[n - 1] = n
    view.release()
    started = clock()
    pipe.send(block.name)
    last = pipe.recv()
    return clock() - started, int(last)


def filled_dict():
    shared = processes.Manager().dict()
    shared.update({f"key {i}": i for i in range(1, 1001)})
    return shared


def dict_get(n):
    shared, keys = keep("dict", filled_dict), [f"key {i}" for i in range(1, 1001)]
    total = 0
    started = clock()
    for _ in range(n // 1000):
        for key in keys:
            total += shared[key]
    return clock() - started, total


def dict_set(n):
    shared, keys = keep("dict", filled_dict), [f"key {i}" for i in range(1, 1001)]
    started = clock()
    for i in range(n // 1000):
        for key in keys:
            shared[key] = i
    return clock() - started, shared[keys[-1]]


def array_get(n):
    array = processes.RawArray(ctypes.c_double, range(1, 1001))
    total = 0
    started = clock()
    for _ in range(n // 1000):
        for i in range(1000):
            total += array[i]
    return clock() - started, int(total)


def array_set(n):
    array = processes.RawArray(ctypes.c_double, 1000)
    started = clock()
    for turn in range(n // 1000):
        for i in range(1000):
            array[i] = turn
    return clock() - started, int(array[999])


# ---------------------------------------------------------------------- requests


def finish():
    """Ends without waiting for what idles: the driver has all it wanted."""
    block = kept.get("block")
    if block:
        block.close()
        block.unlink()
    for thing in kept.values():
        if isinstance(thing, multiprocessing.pool.Pool):
            thing.terminate()  # it would replace workers that are killed
    for child in multiprocessing.active_children():
        child.kill()
    os._exit(0)


def main():
    for line in sys.stdin:
        name, n = line.split()[:2]
        try:
            value, check = globals()[name](int(n))
            print(f"{value:.9f} {check}", flush=True)
        except Exception as error:
            print("error", type(error).__name__, str(error).replace("\n", " "), flush=True)
    finish()


if __name__ == "__main__":
    main()
