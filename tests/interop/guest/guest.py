"""A QEMU guest with Debian's kernel, driven from a test: boot once, run many commands.

    with Guest(folder, share=build_folder) as guest:
        status, output = guest.run("lsmod", seconds=10)

The folder is what make_guest.sh made. `share` appears in the guest as /host. The host's 127.0.0.1 is 10.0.2.2 in the guest.

A guest may outlive the process that booted it: `boot()` without `power_off()`, and `Guest.join(guest.place)` elsewhere, one after the other.
"""
import os
import re
import socket
import subprocess
import tempfile
import time
import uuid


class GuestError(Exception):
    """The guest did not boot, stopped answering or died, or a command did not end in its time; the message says what was going on."""


class _Late(Exception):
    pass


class _Port:
    """A virtio serial port whose lines the guest executes, see `init`."""

    def __init__(self, path):
        self.buffer = b""
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)

    def close(self):
        self.socket.close()

    def ask(self, command, seconds):
        """Sends a command; the mark that its answer ends with."""
        if "\n" in command:
            raise ValueError("a guest command is one line")
        tag = uuid.uuid4().hex[:12]
        self.socket.settimeout(10)
        self.socket.sendall(f"{tag} {seconds} {command}\n".encode())
        return f"@@{tag} ".encode()

    def answer(self, mark, seconds):
        """Text before the mark, and what follows on its line. Raises _Late, or EOFError when QEMU is gone."""
        deadline = time.monotonic() + seconds
        while True:
            start = self.buffer.find(mark)
            end = self.buffer.find(b"\n", start) if start >= 0 else -1
            if end >= 0:
                text = self.buffer[:start].decode(errors="replace").rstrip("\n")
                rest = self.buffer[start + len(mark):end].decode(errors="replace").strip()
                self.buffer = self.buffer[end + 1:]
                return re.sub(r"^.*@@[0-9a-f]{12} \d+\n", "", text, flags=re.S), rest  # of one that nobody waited for
            self.socket.settimeout(max(deadline - time.monotonic(), 0.01))
            try:
                data = self.socket.recv(65536)
            except TimeoutError:
                raise _Late from None
            if not data:
                raise EOFError
            self.buffer += data


class Guest:
    def __init__(self, folder, share, extra=(), log=None, memory="512M", boot_seconds=240):
        self.folder, self.share, self.extra = folder, os.path.abspath(share), list(extra)
        self.log = log or os.path.join(folder, "console.log")
        self.memory, self.boot_seconds = memory, boot_seconds
        self.place = None      # of the sockets
        self.witnesses = []    # functions whose text is part of a diagnosis
        self.lost = False      # it does not come back
        self.port = None
        self.release = None    # of its kernel

    @classmethod
    def join(cls, folder, share, place, log, seconds=60):
        """One that another process has booted."""
        guest = cls(folder, share, log=log)
        guest.place = place
        guest._connect(seconds)
        return guest

    def __enter__(self):
        try:
            return self.boot()
        except BaseException:
            self.power_off()
            raise

    def __exit__(self, *_):
        self.power_off()

    def boot(self):
        self.place = tempfile.mkdtemp(prefix="isochio-guest-")
        line = ["qemu-system-x86_64", "-machine", "q35,accel=tcg", "-cpu", "max", "-m", self.memory, "-display", "none", "-no-reboot",
                "-kernel", os.path.join(self.folder, "vmlinuz"), "-initrd", os.path.join(self.folder, "initramfs"),
                # On a busy machine the emulated timer is late, which the kernel would take for a broken one, and hang. The last one: a
                # stack in the log when the rescue sends an NMI.
                "-append", "console=ttyS0 loglevel=7 panic=-1 quiet=0 tsc=reliable no_timer_check mitigations=off "
                           "unknown_nmi_panic=1",
                "-serial", f"file:{self.log}", "-monitor", f"unix:{self.place}/monitor,server=on,wait=off",
                "-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net",
                "-virtfs", f"local,path={self.share},mount_tag=host,security_model=none,readonly=off", "-device", "virtio-serial-pci"]
        for name in ("commands", "rescue"):
            line += ["-chardev", f"socket,id={name},path={self.place}/{name},server=on,wait=off",
                     "-device", f"virtserialport,chardev={name},name=isochio.{name}"]
        self.errors = os.path.join(self.place, "stderr")
        with open(self.errors, "wb") as errors:
            self.qemu = subprocess.Popen(line + self.extra, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors,
                                         start_new_session=True)
        self._connect(self.boot_seconds)
        return self

    def _connect(self, seconds):
        """Waits until the guest answers."""
        deadline = time.monotonic() + seconds
        while self.port is None:
            try:
                self.port = _Port(os.path.join(self.place, "commands"))
            except (FileNotFoundError, ConnectionRefusedError):
                qemu = getattr(self, "qemu", None)
                if time.monotonic() > deadline or (qemu is None or qemu.poll() is not None):
                    raise GuestError("QEMU does not run: " + self._read(os.path.join(self.place, "stderr"))) from None
                time.sleep(0.05)
        self.lost = True
        try:
            self.release = self.port.answer(self.port.ask("uname -r", 10), deadline - time.monotonic())[0].strip()
        except (_Late, TimeoutError, EOFError, OSError):
            raise GuestError(f"the guest did not answer within {seconds} s\n{self.diagnose()}") from None
        self.lost = False

    def power_off(self):
        try:
            if self.port is not None:
                self.port.socket.settimeout(5)
                self.port.socket.sendall(b"poweroff 0 x\n")
                self.port.answer(b"never", 10)
        except (_Late, TimeoutError, EOFError, OSError):
            pass
        self._monitor("quit")
        if self.port is not None:
            self.port.close()
            self.port = None
        if hasattr(self, "qemu"):
            try:
                self.qemu.wait(10)
            except subprocess.TimeoutExpired:
                self.qemu.kill()
                self.qemu.wait()
        if self.place is not None:
            for name in ("commands", "rescue", "monitor", "stderr"):
                if os.path.exists(os.path.join(self.place, name)):
                    os.remove(os.path.join(self.place, name))
            os.rmdir(self.place)
            self.place = None

    def run(self, command, seconds=30):
        """Exit status and output (text) of a one-line shell command. When it does not end in its time: GuestError with a diagnosis."""
        if self.lost:
            raise GuestError("the guest is lost, see an earlier failure")
        mark = None
        try:
            mark = self.port.ask(command, seconds)
            output, status = self.port.answer(mark, seconds)
            return int(status), output
        except (_Late, TimeoutError):
            problem = f"in the guest, «{command}» has not ended within {seconds} s\n{self.diagnose()}"
        except (EOFError, OSError):
            self.lost = True
            problem = f"in the guest, «{command}» was running when QEMU ended\n--- console\n{self._read(self.log)[-4000:]}"
        if not self.lost:
            self._free(mark)
        raise GuestError(problem)

    def _free(self, mark):
        """Ends the command that is late; without success the guest is lost."""
        self._rescue("kill -KILL -- -$(cat /tmp/running)", 10)
        try:
            self.port.answer(mark, 10)
        except (_Late, EOFError, OSError):
            self.lost = True

    def diagnose(self):
        """What the guest and the witnesses can say."""
        found = self._rescue("diagnose", 30)
        if found is None:  # not even another process runs: where is the processor?
            self.lost = True
            registers = self._monitor("info registers") or "QEMU's monitor is silent"
            self._monitor("nmi")
            time.sleep(3)
            found = (f"--- the guest runs no other process either\n--- registers\n{registers[:1500]}\n"
                     f"--- console, after an NMI\n{self._read(self.log)[-6000:]}")
        return "\n".join([found, *("--- " + witness() for witness in self.witnesses)])

    def _rescue(self, command, seconds):
        """The output of a command on the other port; None: no answer."""
        try:
            port = _Port(os.path.join(self.place, "rescue"))
            try:
                return port.answer(port.ask(command, seconds), seconds)[0]
            finally:
                port.close()
        except (_Late, TimeoutError, EOFError, OSError):
            return None

    def _monitor(self, command):
        """What QEMU's monitor answers; None: nothing."""
        try:
            with socket.socket(socket.AF_UNIX) as monitor:
                monitor.settimeout(3)
                monitor.connect(os.path.join(self.place, "monitor"))
                monitor.sendall(command.encode() + b"\n")
                text = b""
                while text.count(b"(qemu)") < 2:
                    data = monitor.recv(65536)
                    if not data:
                        break
                    text += data
                return re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text.decode(errors="replace")).replace("\r", "")
        except (OSError, TypeError):
            return None

    @staticmethod
    def _read(path):
        try:
            with open(path, errors="replace") as file:
                return file.read()
        except OSError:
            return ""
