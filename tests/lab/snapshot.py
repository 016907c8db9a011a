"""A host's whole network state as text, for comparison byte by byte."""

from __future__ import annotations

import enum

from .host import Host


class Detail(enum.Enum):
    """How much of the ruleset a snapshot tells."""

    CONTENT = "-s"  # no counters, no handles: what the rules say
    HANDLES = "-sa"  # with handles: also whether a rule was made anew
    COUNTERS = "-a"  # handles and counters: also whether a packet passed


_SCRIPT = r"""
set -eu
part() { printf '== %s\n' "$1"; }
part 'nft ruleset'; nft "$1" list ruleset 2>/dev/null
part 'ip rule'; ip -d -4 rule show
part 'ip -6 rule'; ip -d -6 rule show
part 'ip route'; ip -d -4 route show table all
part 'ip -6 route'; ip -d -6 route show table all
part 'neighbours set by hand'; ip neighbour show nud permanent
part 'interfaces'
for link in /sys/class/net/*; do
  IFS= read -r mtu <"$link/mtu" || mtu=
  IFS= read -r alias <"$link/ifalias" || alias=
  printf '%s mtu %s alias %s\n' "${link##*/}" "$mtu" "$alias"
done
part 'sysctl'
cd /proc/sys/net
for file in ipv4/ip_forward ipv4/conf/*/rp_filter ipv4/conf/*/forwarding ipv4/conf/*/src_valid_mark \
    ipv4/conf/*/route_localnet ipv6/conf/*/forwarding ipv6/conf/*/accept_ra; do
  IFS= read -r value <"$file" || value=  # no cat: a process for each of a hundred files would be most of the time
  printf '%s = %s\n' "$file" "$value"
done
"""


def snapshot(host: Host, detail: Detail = Detail.CONTENT) -> str:
    """Ruleset, policy rules, the routes of every table, interfaces, and the sysctls of routing, of both address families."""
    return host.output(["bash", "-c", _SCRIPT, "snapshot", detail.value])
