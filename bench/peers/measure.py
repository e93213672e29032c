"""What the peer programs share: one JSON line a figure, and the kernel's figures of this process."""
import json
import os
import resource
import time


def report(what, value, unit):
    print(json.dumps({"what": what, "value": value, "unit": unit}), flush=True)


def peak_memory_mb():
    """High-water mark of this process (the kernel counts in KiB), in units of 1,000,000 bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def resident_mb():
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize() / 1e6


def bytes_written():
    """(handed to the kernel, sent towards the device) since the process began; None where the kernel keeps quiet."""
    try:
        with open("/proc/self/io", encoding="ascii") as lines:
            figures = dict(line.split(": ") for line in lines)
    except OSError:
        return None
    return int(figures["wchar"]), int(figures["write_bytes"])


def seconds_since_start():
    """Wall seconds since the kernel started this process: the interpreter's own start counts as well."""
    with open("/proc/self/stat", encoding="ascii") as stat:
        ticks = int(stat.read().rsplit(")", 1)[1].split()[19])
    with open("/proc/uptime", encoding="ascii") as uptime:
        now = float(uptime.read().split()[0])
    return now - ticks / os.sysconf("SC_CLK_TCK")


def median(values):
    values = sorted(values)
    return values[len(values) // 2]


def part(values, share):
    values = sorted(values)
    return values[min(int(share * len(values)), len(values) - 1)]


class Stopwatch:
    """Wall seconds of a with block in .seconds, CPU seconds of the process in .cpu."""

    def __enter__(self):
        self.began, self.cpu_began = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_):
        self.seconds = time.perf_counter() - self.began
        self.cpu = time.process_time() - self.cpu_began
