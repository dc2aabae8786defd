# isochio: what README.md and docs/ tell people to type exists: scenarios and devices by name, subcommands, options, scripts, and the
# files that links lead to. Usage: docs_test.py ISOCHIO SOURCE_FOLDER [-v]
import functools
import json
import os
import re
import shlex
import subprocess
import sys
import unittest

ISOCHIO, SOURCE = sys.argv[1], sys.argv[2]
PAGES = ["README.md", *(f"docs/{name}" for name in sorted(os.listdir(os.path.join(SOURCE, "docs"))) if name.endswith(".md"))]


def text_of(page):
    with open(os.path.join(SOURCE, page)) as file:
        return file.read()


def code(page):
    """Each line of the page's code blocks, and each piece of code within a sentence."""
    text = text_of(page)
    blocks = re.findall(r"^ *```[^\n]*\n(.*?)^ *```", text, re.M | re.S)
    yield from (line.strip() for block in blocks for line in block.splitlines())
    rest = re.sub(r"^ *```.*?^ *```", "", text, flags=re.M | re.S)
    yield from (line.strip() for line in re.findall(r"^    (.+)$", rest, re.M))
    yield from re.findall(r"`([^`]+)`", rest)


@functools.cache
def commands():
    """(page, subcommand, its words) of each isochio call, without what the shell does with its output, and without remarks."""
    found = []
    for page in PAGES:
        for line in code(page):
            line = line.removeprefix("$ ").removeprefix("build/bin/")
            match = re.match(r"isochio ([a-z]+)( .*)?$", " ".join(line.split("\n")))
            if not match:
                continue
            words = re.split(r"   | #|[|>&;]| and ", (match[2] or "").strip())[0]
            try:
                found.append((page, match[1], shlex.split(words)))
            except ValueError:
                raise AssertionError(f"{page}: quotes do not match: {line}") from None
    return found


@functools.cache
def help_of(subcommand):
    return subprocess.run([ISOCHIO, subcommand, "--help"], capture_output=True, text=True)


class Docs(unittest.TestCase):
    def test_pages_have_commands(self):
        self.assertGreater(len(commands()), 30)

    def test_subcommands_and_their_options_exist(self):
        for page, subcommand, words in commands():
            with self.subTest(page=page, command=f"isochio {subcommand} {' '.join(words)}"):
                shown = help_of(subcommand)
                self.assertEqual(shown.returncode, 0, shown.stderr)
                for option in (word.split("=")[0] for word in words if word.startswith("--") and "…" not in word):
                    self.assertRegex(shown.stdout, rf"(?<![\w-]){option}(?![\w-])")

    def test_scenarios_that_are_run_by_name_exist(self):
        listed = subprocess.run([ISOCHIO, "list", "--json"], capture_output=True, text=True, check=True).stdout
        names = {scenario["name"] for scenario in json.loads(listed)}
        self.assertIn("fs-audio", names)
        for page, subcommand, words in commands():
            if subcommand == "run" and words and re.fullmatch(r"[a-z][\w/-]*", words[0]):
                with self.subTest(page=page):
                    self.assertIn(words[0], names)

    def test_devices_that_are_served_or_described_by_name_exist(self):
        for page, subcommand, words in commands():
            if subcommand in ("serve", "describe") and words and re.fullmatch(r"[a-z][\w-]*", words[0]):
                with self.subTest(page=page, device=words[0]):
                    self.assertTrue(os.path.exists(os.path.join(SOURCE, "rtl", "devices", words[0] + ".toml")))

    def test_scripts_and_links_lead_somewhere(self):
        for page in PAGES:
            folder = os.path.dirname(os.path.join(SOURCE, page))
            for target in re.findall(r"\]\((?!https?:)([^)#\s]+)", text_of(page)):
                with self.subTest(page=page, link=target):
                    self.assertTrue(os.path.exists(os.path.join(folder, target)))
            for line in code(page):
                for script in re.findall(r"^(script/[\w/.-]+)", line):
                    with self.subTest(page=page, script=script):
                        self.assertTrue(os.path.exists(os.path.join(SOURCE, script)))


if __name__ == "__main__":
    del sys.argv[1:3]
    unittest.main()
