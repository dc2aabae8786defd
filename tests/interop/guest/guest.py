"""A QEMU guest with Debian's kernel, driven from a test: boot once, run many commands.

    with Guest(folder, share=build_folder) as guest:
        status, output = guest.run("lsmod", seconds=10)

The folder is what make_guest.sh made. `share` appears in the guest as /host. The host's 127.0.0.1 is 10.0.2.2 in the guest.
"""
import os
import socket
import subprocess
import tempfile
import time


class GuestError(Exception):
    """The guest did not boot, stopped answering or died; the message says where its kernel log is."""


class Guest:
    def __init__(self, folder, share, extra=(), log=None, memory="512M", boot_seconds=240):
        self.folder, self.share, self.extra = folder, os.path.abspath(share), list(extra)
        self.log = log or os.path.join(folder, "console.log")
        self.memory, self.boot_seconds = memory, boot_seconds
        self.commands = 0
        self.buffer = b""

    def __enter__(self):
        self.temporary = tempfile.TemporaryDirectory(prefix="isochio-guest-")
        path = os.path.join(self.temporary.name, "port")
        self.qemu = subprocess.Popen(
            ["qemu-system-x86_64", "-machine", "q35,accel=tcg", "-cpu", "max", "-m", self.memory, "-nographic", "-no-reboot",
             "-kernel", os.path.join(self.folder, "vmlinuz"), "-initrd", os.path.join(self.folder, "initramfs"),
             # On a busy machine the emulated timer is late, which the kernel would take for a broken one, and hang.
             "-append", "console=ttyS0 loglevel=7 panic=-1 quiet=0 tsc=reliable no_timer_check mitigations=off",
             "-serial", f"file:{self.log}", "-monitor", "none",
             "-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net",
             "-virtfs", f"local,path={self.share},mount_tag=host,security_model=none,readonly=off",
             "-device", "virtio-serial-pci", "-chardev", f"socket,id=port,path={path},server=on,wait=off",
             "-device", "virtserialport,chardev=port,name=isochio", *self.extra],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        deadline = time.monotonic() + self.boot_seconds
        self.socket = socket.socket(socket.AF_UNIX)
        while True:
            try:
                self.socket.connect(path)
                break
            except (FileNotFoundError, ConnectionRefusedError):
                self._alive(deadline, "did not start")
                time.sleep(0.05)
        self.release = self._until(b"@@ready ", deadline)[1]
        return self

    def __exit__(self, *_):
        try:
            self.socket.sendall(b"poweroff 0 x\n")
            self.qemu.wait(10)
        except (OSError, subprocess.TimeoutExpired):
            self.qemu.kill()
            self.qemu.wait()
        self.socket.close()
        self.qemu.stderr.close()
        self.temporary.cleanup()

    def run(self, command, seconds=30):
        """Exit status and output (text) of a one-line shell command; 137 when its time ran out."""
        if "\n" in command:
            raise ValueError("a guest command is one line")
        self.commands += 1
        tag = f"{self.commands}"
        self.socket.sendall(f"{tag} {seconds} {command}\n".encode())
        output, status = self._until(f"@@{tag} ".encode(), time.monotonic() + seconds + 30)
        return int(status), output

    def _alive(self, deadline, what):
        if self.qemu.poll() is not None:
            raise GuestError(f"QEMU {what}: {self.qemu.stderr.read().decode()} (kernel log: {self.log})")
        if time.monotonic() > deadline:
            raise GuestError(f"the guest {what} in time (kernel log: {self.log})")

    def _until(self, marker, deadline):
        """Text before the line that begins with the marker, and the rest of that line."""
        self.socket.settimeout(1)
        while True:
            start = self.buffer.find(marker)
            end = self.buffer.find(b"\n", start) if start >= 0 else -1
            if end >= 0:
                text = self.buffer[:start].decode(errors="replace").rstrip("\n")
                rest = self.buffer[start + len(marker):end].decode(errors="replace").strip()
                self.buffer = self.buffer[end + 1:]
                return text, rest
            try:
                data = self.socket.recv(65536)
                if not data:
                    raise GuestError(f"the guest closed its command port (kernel log: {self.log})")
                self.buffer += data
            except TimeoutError:
                self._alive(deadline, "did not answer")
