"""The guest of the interoperability tests: booted once, used by many test programs, one after the other.

    lab.py boot WORK ISOCHIO PROGRAM...   makes and boots it, and leaves it running; the programs appear in its folder /host
    lab.py stop WORK                      switches it off
    X_test.py WORK [unittest arguments]   a test program: uses that guest; without one it boots its own, for as long as it runs
    X_test.py --list                      names of its tests: for unittest, and for people

Exit status 77: skipped, because QEMU or what the guest is made of is not installed.
"""
import json
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [os.path.join(HERE, "guest"), os.path.join(ROOT, "script", "lib")]
import pages  # noqa: E402
from guest import Guest, GuestError  # noqa: E402

NEEDED = ("qemu-system-x86_64", "cpio", "busybox", "usbip", "aplay", "modprobe", "apt-get")
SKIPPED = 77
CONTROLLERS = ("xhci", "ehci", "uhci")  # of QEMU, in the order of docs/serve-qemu.md

work = None     # folder
share = None    # the guest's /host
isochio = None  # the command
guest = None
ports = {}      # where QEMU looks for a usbredir server, by controller
_kept = False   # the guest outlives this process


def free_port():
    """Not one that the kernel hands out to others: it is used a while later."""
    while True:
        port = random.randint(10000, 30000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass


def missing():
    return [name for name in NEEDED if shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin") is None]


def say_skipped():
    print("SKIPPED: the tests against a real Linux kernel need " + ", ".join(missing()) +
          " (Debian: apt-get install qemu-system-x86 busybox-static cpio kmod usbip alsa-utils)", flush=True)


def _state():
    return os.path.join(work, "guest.json")


def _fill_share(programs):
    """The command and the programs, with the libraries that they name; devices and scenarios."""
    shutil.rmtree(share, ignore_errors=True)
    os.makedirs(os.path.join(share, "lib"))
    for program in (isochio, *programs):
        shutil.copy(program, os.path.join(share, os.path.basename(program)))
        libraries = subprocess.run(["ldd", program], capture_output=True, text=True).stdout  # a static one has none
        for line in libraries.splitlines():
            if "=> /" in line:
                shutil.copy(line.split()[2], os.path.join(share, "lib"))
    for kind, source in (("devices", "rtl/devices"), ("scenarios", "tests/scenarios")):
        shelf = os.path.join(share, "data", kind)
        os.makedirs(shelf)
        for name in os.listdir(os.path.join(ROOT, source)):
            if name.endswith(".toml"):
                shutil.copy(os.path.join(ROOT, source, name), shelf)


def _qemu_arguments():
    """The emulated controllers, each with a usb-redir device: as docs/serve-qemu.md has them, on ports that are free."""
    arguments = []
    for name, text in zip(CONTROLLERS, (text for place, text in pages.blocks("serve-qemu.md") if place == "qemu")):
        if f"id={name}" not in text:
            raise AssertionError(f"docs/serve-qemu.md: {name} was expected in: {text}")
        ports[name] = free_port()
        arguments += re.sub(r"port=\d+", f"port={ports[name]}", text).split()
    return arguments


def _boot():
    global guest
    guest = Guest(work, share=share, extra=_qemu_arguments(), log=os.path.join(work, "console.log"))
    guest.boot()
    for command in ("modprobe vhci-hcd",  # the virtual controller first: its buses are 1 and 2
                    "modprobe snd-usb-audio",
                    # Over 9p each page of a program that is run comes by itself.
                    "mkdir -p /programs && cp -r /host/isochio* /host/lib /programs/"):
        status, output = guest.run(command, 60)
        if status != 0:
            raise GuestError(f"in the guest, «{command}» ended with {status}: {output}")
    if _kept:
        with open(_state(), "w") as file:
            json.dump({"isochio": isochio, "place": guest.place, "ports": ports, "pid": guest.qemu.pid}, file)


def _join():
    """The guest that is kept, or None."""
    global guest, isochio, _kept
    if not os.path.exists(_state()):
        return
    with open(_state()) as file:
        state = json.load(file)
    isochio, _kept = state["isochio"], True
    ports.update(state["ports"])
    try:
        guest = Guest.join(work, share, state["place"], os.path.join(work, "console.log"))
    except (GuestError, OSError) as problem:
        print(f"the guest is lost and booted anew: {problem}", flush=True)
        _end(state)
        _boot()


def _end(state):
    """Of a kept guest, whatever became of it."""
    lost = Guest(work, share)
    lost.place = state["place"] if os.path.isdir(state["place"]) else None
    lost.power_off()
    os.remove(_state())


def _prepare(folder):
    global work, share
    work = os.path.abspath(folder)
    share = os.path.join(work, "share")
    os.makedirs(work, exist_ok=True)


def _make(programs):
    made = subprocess.run(["bash", os.path.join(HERE, "guest", "make_guest.sh"), work], capture_output=True, text=True)
    if made.returncode != 0:
        raise GuestError("the guest was not made: " + made.stdout + made.stderr)
    _fill_share(programs)


def boot(folder, command, *programs):
    """The guest runs when this is over, and goes on after this process."""
    global isochio, _kept
    _prepare(folder)
    if os.path.exists(_state()):
        with open(_state()) as file:
            _end(json.load(file))
    isochio, _kept = os.path.abspath(command), True
    _make([os.path.abspath(program) for program in programs])
    _boot()
    print(f"Linux {guest.release} runs in QEMU; its console is in {guest.log}")


def stop(folder):
    _prepare(folder)
    if os.path.exists(_state()):
        with open(_state()) as file:
            _end(json.load(file))


def _own(programs=None):
    """No guest is kept: one for this process, of what was built beside the work folder."""
    global isochio
    build = os.path.dirname(os.path.dirname(os.path.dirname(work)))
    isochio = os.path.join(build, "bin", "isochio")
    _make([os.path.join(build, *path) for path in (("bin", "isochio-example-drivers"), ("tests", "interop", "isochio_usbtest_ioctl"),
                                                  ("tests", "interop", "isochio_usbfs_stream"))])
    _boot()


def ready():
    """The guest answers and is as after booting: nothing is attached, no usbtest is loaded, the log is empty."""
    for attempt in (1, 2):
        if guest.lost:
            print("the guest is lost and booted anew", flush=True)
            guest.power_off()
            _boot()
        try:
            guest.witnesses.clear()
            # Not preempted, as Debian has it: snd-usb-audio tells of a packet before it has copied it, and vhci-hcd's thread may not be
            # interrupted between the two.
            guest.run("echo voluntary >/sys/kernel/debug/sched/preempt; usbip detach -p 0 >/dev/null 2>&1; for i in $(seq 100); do [ -e /sys/bus/usb/devices/1-1 ] || break; sleep 0.1; done; "
                      "rmmod usbtest 2>/dev/null; dmesg -c >/dev/null", 60)
            return
        except GuestError:
            if attempt == 2 or not guest.lost:
                raise


def words(case):
    """A test's name for people: 'interop: usbtest: bulk full speed'."""
    return f"{case.title}: {case._testMethodName.removeprefix('test_').replace('_', ' ')}"


def _cases(suite):
    for one in suite:
        if isinstance(one, unittest.TestSuite):
            yield from _cases(one)
        else:
            yield one


def main():
    """Of a test program."""
    module = sys.modules["__main__"]
    if sys.argv[1:] == ["--list"]:
        for case in _cases(unittest.defaultTestLoader.loadTestsFromModule(module)):
            print(f"{type(case).__name__}.{case._testMethodName}|{words(case)}")
        return
    if missing():
        say_skipped()
        sys.exit(SKIPPED)
    _prepare(sys.argv.pop(1))
    _join()
    if guest is None:
        _own()
    try:
        unittest.main(module, exit=False, verbosity=2).result.wasSuccessful() or sys.exit(1)
    finally:
        if not _kept:
            guest.power_off()


if __name__ == "__main__":
    if sys.argv[1:2] == ["boot"] and len(sys.argv) > 3:
        if missing():
            say_skipped()
            sys.exit(SKIPPED)
        try:
            boot(*sys.argv[2:])
        except GuestError as error:
            sys.exit(str(error))
    elif sys.argv[1:2] == ["stop"] and len(sys.argv) == 3:
        stop(sys.argv[2])
    else:
        sys.exit(__doc__)
