"""The commands of docs/serve-*.md, run as they stand there; pages.py finds them. Only ports are changed, so that tests can run beside
one another, and what would boot QEMU a second time.

    pages_test.py WORK [unittest arguments]    see lab.py
"""
import os
import shlex
import subprocess
import sys
import tempfile
import types

import lab
import pages
from guest_case import GuestCase
from usbip_client import end_with_parent


class Commands(GuestCase):
    title = "pages"

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory(prefix="isochio-pages-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        os.makedirs(os.path.join(self.folder, "bin"))
        os.symlink(lab.isochio, os.path.join(self.folder, "bin", "isochio"))
        self.environment = {**os.environ, "PATH": os.path.join(self.folder, "bin") + ":" + os.environ["PATH"]}

    def serve(self, line):
        server = subprocess.Popen(shlex.split(line), cwd=self.folder, env=self.environment, stdout=subprocess.PIPE, text=True,
                                  preexec_fn=end_with_parent)
        self.addCleanup(server.stdout.close)
        self.addCleanup(lambda: server.poll() is None and server.kill())
        self.assertIn("serving", server.stdout.readline())
        return server

    def run_page(self, page, adapt):
        """Host lines begin servers, guest lines must succeed; returns the servers and what the guest printed."""
        servers, printed = [], ""
        for place, text in pages.blocks(page):
            for line in text.strip().splitlines():
                if place == "host":
                    servers.append(self.serve(adapt(line)))
                if place == "guest":
                    printed += self.must("sleep 1; " + adapt(line), 60) + "\n"
        return servers, printed

    def end(self, servers):
        for server in servers:
            server.send_signal(2)
            self.assertEqual(server.wait(30), 0)

    def test_attach_to_a_linux_machine(self):
        port = lab.free_port()
        servers, printed = self.run_page("serve-linux.md", lambda line: line.replace("usbip ", f"usbip --tcp-port {port} ")
                                         .replace("isochio serve gadget-zero", f"isochio serve gadget-zero --port {port}"))
        self.end(servers)
        self.assertIn("isochio source and sink", printed)
        self.assertIn("480", printed)
        self.assertGreater(os.path.getsize(os.path.join(self.folder, "gadget-zero.pcapng")), 1000)

    def test_give_it_to_a_qemu_guest(self):
        servers, printed = self.run_page("serve-qemu.md", lambda line: line.replace("--port 4000", f"--port {lab.ports['xhci']}"))
        self.end(servers)
        self.assertIn("isochio source and sink", printed)

    def test_ci_job(self):
        (place, text), = pages.blocks("serve-ci.md")
        self.assertEqual(place, "job")

        class Booted:  # the guest that runs already
            def __init__(self, *_, **__):
                pass

            def __enter__(self):
                return lab.guest

            def __exit__(self, *_):
                pass

        port = str(lab.free_port())
        text = text.replace("3240", port)
        processes = types.SimpleNamespace(run=lambda *_, **__: None,  # make_guest.sh has run
                                          Popen=lambda line: subprocess.Popen(line, cwd=self.folder, env=self.environment))
        os.makedirs(os.path.join(self.folder, "build"))
        modules = {"guest": types.SimpleNamespace(Guest=Booted), "subprocess": processes}
        kept, path = {name: sys.modules.get(name) for name in modules}, list(sys.path)
        sys.modules.update(modules)
        try:
            exec(compile(text, "docs/serve-ci.md", "exec"), {})
        finally:
            sys.path[:] = path
            for name, module in kept.items():
                sys.modules.pop(name)
                if module is not None:
                    sys.modules[name] = module


if __name__ == "__main__":
    lab.main()
