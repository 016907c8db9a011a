#!/usr/bin/python3
"""House rules that no compiler checks: which layer may include which, public headers on their own, sizes, casts.

    layers.py SOURCE_DIR [--compiler g++]

Prints one line per breach, and exits 1 where there is one.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

MAX_LINES = 400  # of a source file; a test file, a list of cases, may be a fifth longer
MAX_TEST_LINES = 480

# cli -> setup -> engine -> {model, plan, kernel.hpp}; setup -> docker; cli -> {probe, dns}; cli -> report -> model;
# kernel -> netlink -> net, and net is everybody's.
# What a folder may include of src/. A room within one stands under its own name.
MAY_INCLUDE = {
    "net": {"net"},
    "model": {"net", "model"},
    "plan": {"net", "plan", "model"},
    "netlink": {"net", "netlink"},
    "kernel": {"net", "kernel", "netlink"},
    "engine": {"net", "engine", "plan", "model"},
    "engine/verify": {"net", "engine", "engine/verify", "plan", "model"},
    "engine/trace": {"net", "engine", "engine/verify", "engine/trace", "plan", "model"},
    "docker": {"net", "docker"},
    "probe": {"net", "probe"},
    "dns": {"net", "dns"},
    "setup": {"net", "setup", "model", "docker"},
    "report": {"net", "report", "model"},
    "cli": {"net", "cli", "engine", "docker", "dns", "probe", "setup", "report"},
}

# Public headers, by the layer whose vocabulary they are. netlink and kernel speak of the network alone.
VOCABULARY = {"error.hpp", "net_types.hpp", "nft_keys.hpp", "nft_set.hpp", "nft.hpp", "link.hpp", "route.hpp",
              "mail_server.hpp", "dns.hpp", "probe.hpp", "trace.hpp"}
PUBLIC_FOR = {
    "net": VOCABULARY,
    "model": VOCABULARY | {"profile.hpp", "state.hpp"},
    "plan": VOCABULARY | {"profile.hpp", "state.hpp", "plan.hpp"},
    "netlink": VOCABULARY,
    "kernel": VOCABULARY | {"kernel.hpp", "observed_parts.hpp"},
    "docker": VOCABULARY,
    "probe": VOCABULARY,
    "dns": VOCABULARY,
    "engine": None,  # all
    "setup": None,
    "report": VOCABULARY | {"profile.hpp", "state.hpp", "kernel.hpp", "observed_parts.hpp"},
    "cli": None,
}
# What a public header may include of the others: the same order.
PUBLIC_HEADERS = {
    "error.hpp": set(),
    "net_types.hpp": {"error.hpp"},
    "nft_keys.hpp": set(),
    "nft_set.hpp": {"net_types.hpp", "nft_keys.hpp"},
    "nft.hpp": VOCABULARY,
    "link.hpp": {"net_types.hpp"},
    "mail_server.hpp": {"error.hpp"},
    "dns.hpp": {"net_types.hpp"},
    "probe.hpp": {"net_types.hpp", "mail_server.hpp"},
    "route.hpp": VOCABULARY,
    "trace.hpp": VOCABULARY,
    "profile.hpp": VOCABULARY,
    "kernel.hpp": VOCABULARY,
    "observed_parts.hpp": VOCABULARY | {"kernel.hpp"},
    "state.hpp": VOCABULARY | {"profile.hpp", "kernel.hpp"},
    "plan.hpp": VOCABULARY | {"profile.hpp", "kernel.hpp", "state.hpp"},
    "mail_path.hpp": set(),
    "engine.hpp": VOCABULARY | {"profile.hpp", "kernel.hpp", "state.hpp", "plan.hpp", "mail_path.hpp"},
}

NETLINK_LIBRARIES = re.compile(r"^(libmnl|libnftnl|netlink)/|^linux/(rtnetlink|netlink|netfilter|fib_rules|genetlink)")
# Layers that work for any kernel, a fake one included, know no netlink library.
WITHOUT_NETLINK = {"net", "model", "plan", "engine", "docker", "dns", "probe", "setup", "report", "cli"}
NOT_IN_PUBLIC = re.compile(r"^(libmnl|libnftnl|netlink|nlohmann|CLI|fmt)/")

STRICT = ["-std=c++23", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-Wshadow", "-Wconversion", "-Wsign-conversion",
          "-Wnon-virtual-dtor", "-Wold-style-cast", "-Woverloaded-virtual", "-Wpedantic"]

INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]')


def sources(folder: Path) -> Iterator[Path]:
    yield from sorted(p for p in folder.rglob("*") if p.suffix in {".cpp", ".hpp"})


def includes(path: Path) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if found := INCLUDE.match(line):
            yield number, found[1]


def layer_breaches(root: Path) -> Iterator[str]:
    for path in sources(root / "src"):
        room = path.relative_to(root / "src").parent.as_posix()
        layer = room.split("/")[0]
        if room not in MAY_INCLUDE:
            yield f"{path}: folder src/{room} is in no layer; add it to {Path(__file__).name}"
            continue
        for number, name in includes(path):
            first = name.split("/")[0]
            where = f"{path}:{number}"
            if first == "smtpegress":
                allowed = PUBLIC_FOR[layer]
                if allowed is not None and name.removeprefix("smtpegress/") not in allowed:
                    yield f"{where}: src/{layer} must not include {name}"
            elif first in MAY_INCLUDE and (root / "src" / name).exists():
                if Path(name).parent.as_posix() not in MAY_INCLUDE[room]:
                    yield f"{where}: src/{room} must not include {name}"
            elif layer in WITHOUT_NETLINK and NETLINK_LIBRARIES.match(name):
                yield f"{where}: src/{layer} must not include <{name}>"


def public_breaches(root: Path, compiler: str) -> Iterator[str]:
    for path in sources(root / "include"):
        known = PUBLIC_HEADERS.get(path.name)
        if known is None:
            yield f"{path}: a public header of no layer; add it to {Path(__file__).name}"
            continue
        for number, name in includes(path):
            if NOT_IN_PUBLIC.match(name):
                yield f"{path}:{number}: a public header must not include <{name}>"
            if name.startswith("smtpegress/") and name.removeprefix("smtpegress/") not in known:
                yield f"{path}:{number}: {path.name} must not include {name}"
        alone = subprocess.run([compiler, *STRICT, "-I", str(root / "include"), "-x", "c++", "-"], text=True,
                               input=f"#include <smtpegress/{path.name}>\n", capture_output=True, check=False)
        if alone.returncode != 0:
            yield f"{path}: does not compile alone:\n{alone.stderr}"


def size_breaches(root: Path) -> Iterator[str]:
    for folder in ("include", "src", "tests"):
        for path in [*sources(root / folder), *sorted((root / folder).rglob("*.py"))]:
            lines = len(path.read_text().splitlines())
            limit = MAX_TEST_LINES if "tests" in path.relative_to(root).parts[:1] else MAX_LINES
            if lines > limit:
                yield f"{path}: has {lines} lines; split it, a file has at most {limit}"


def cast_breaches(root: Path) -> Iterator[str]:
    for path in [*sources(root / "include"), *sources(root / "src")]:
        if path.is_relative_to(root / "src/netlink"):
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if "reinterpret_cast" in line.split("//")[0]:
                yield f"{path}:{number}: reinterpret_cast stands outside src/netlink"


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("root", type=Path)
    arguments.add_argument("--compiler", default="g++")
    options = arguments.parse_args()
    root = options.root.resolve()
    breaches = [*layer_breaches(root), *public_breaches(root, options.compiler), *size_breaches(root), *cast_breaches(root)]
    for breach in breaches:
        print(breach)
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
