"""The blocks of docs/serve-*.md that tests run as they stand there.

They are marked behind their language: test=host, in the background beside the guest; test=guest, one line after the other in the
guest; test=qemu, arguments that QEMU is booted with; test=job, Python.
"""
import os
import re

DOCS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs")


def blocks(page):
    """What is marked, in order: (where it runs, its text)."""
    with open(os.path.join(DOCS, page)) as file:
        found = re.findall(r"^```\w+ test=(\w+)\n(.*?)^```$", file.read(), re.M | re.S)
    if not found:
        raise AssertionError(f"docs/{page} has no marked blocks")
    return found
