#!/usr/bin/python3
"""verify --dns, with a real DNS: what the mail's receivers would find is found, named first, and mended by publishing just
the record that the mend shows. In the healthy states nothing is wrong.

Prints a table of the faults: what was broken, which check named it, and what it said.
"""

from __future__ import annotations

import json
import re
import unittest
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from scenario import DONE, NOT_AS_IT_SHOULD_BE, PROGRAM, REFUSED, Host, Options, Scenario, topology as at

from lab.dns import RESOLVER, TRUST_ANCHOR, Dns

MAIL_NAME, DOMAIN, UNSIGNED, LIST = "mail.example.org", "example.org", "example.net", "bl.example.com"
REVERSE = "113.0.203.in-addr.arpa."
PTR = f"10.{REVERSE} IN PTR {MAIL_NAME}."
ADDRESS = f"{MAIL_NAME}. IN A {at.VPS}"
SPF = f'{DOMAIN}. IN TXT "v=spf1 mx -all"'
MX = f"{DOMAIN}. IN MX 10 {MAIL_NAME}."
STS = f'_mta-sts.{DOMAIN}. IN TXT "v=STSv1; id=20260101"'
TLSA = f"_25._tcp.{MAIL_NAME}. IN TLSA 3 1 1 " + "ab" * 32
PTR6 = "0.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.8.b.d.0.1.0.0.2.ip6.arpa. IN PTR " + f"{MAIL_NAME}."
ADDRESS6 = f"{MAIL_NAME}. IN AAAA {at.VPS6}"

OF_THE_PROFILE = ("--set", f"mail_name={MAIL_NAME}", "--set", f"mail_domains={DOMAIN}", "--set", f"blocklists={LIST}")
DOMAINS = ("--mail-domain", DOMAIN, "--mail-domain", UNSIGNED, "--blocklist", LIST)
NAMED = ("--mail-name", MAIL_NAME, *DOMAINS)


_RECORD = re.compile(r"(publish|in place of|and|or)?\s*`([^`]* IN [^`]*)`")


def follow(dns: Dns, mend: str) -> None:
    """Publishes what it says, in place of what it says."""
    removing = False
    for word, record in _RECORD.findall(mend):
        removing = word == "in place of" or (removing and word != "publish")
        (dns.remove if removing else dns.add)(record)


class WithDns(Scenario):
    dns: Dns

    def raise_dns(self) -> None:
        """As it should be: example.org signed, example.net and the reverse zones not."""
        self.dns = Dns(self.lab.mx)
        self.dns.add_zone(f"{DOMAIN}.", MX, SPF, ADDRESS, STS, TLSA, signed=True)
        self.dns.add_zone(f"{UNSIGNED}.", f"{UNSIGNED}. IN MX 10 {MAIL_NAME}.",
                          f'{UNSIGNED}. IN TXT "v=spf1 include:{DOMAIN} -all"', signed=False)
        self.dns.add_zone(REVERSE, PTR, signed=False)
        self.dns.add_zone(f"{LIST}.", f"2.0.0.127.{LIST}. IN A 127.0.0.2", signed=False)
        self.dns.publish()
        for host in (self.lab.home, self.lab.vps):
            self.dns.trust(host)
            host.path("/run/lab/resolv.conf").write_text(f"nameserver {RESOLVER}\n")

    def looked_up(self, host: Host, *options: str, expect: int | None = DONE) -> list[dict[str, Any]]:
        """Its checks of the DNS."""
        name = "mailu-home" if host is self.lab.home else "mailu-vps"
        anchor = () if "--trust-anchor" in options else ("--trust-anchor", TRUST_ANCHOR)
        done = self.egress(host, "--json", "verify", name, "--dns", *anchor, *options, expect=expect)
        self.assertEqual(done.stderr, "")
        return [check for check in json.loads(done.stdout)["checks"] if check["id"].startswith("dns-")]

    def outcomes(self, checks: list[dict[str, Any]]) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for check in checks:
            found.setdefault(check["id"], []).append(check["outcome"])
        return found


class Healthy(WithDns):
    def setUp(self) -> None:
        super().setUp()
        self.raise_dns()
        self.enable_both()

    def test_all_is_well_on_the_vps(self) -> None:
        with self.nothing_changes(self.lab.vps):
            checks = self.looked_up(self.lab.vps, *NAMED)
        self.assertEqual(self.outcomes(checks), {
            "dns-resolver": ["passed"], "dns-dnssec": ["passed", "skipped"], "dns-ptr": ["passed"], "dns-forward": ["passed"],
            "dns-ehlo": ["passed"], "dns-mx": ["passed", "passed"], "dns-spf": ["passed", "passed"],
            "dns-tlsa": ["passed"], "dns-mta-sts": ["passed", "skipped"], "dns-blocklist": ["passed"]}, checks)

    def test_home_asks_about_the_tunnels_far_end(self) -> None:
        checks = self.looked_up(self.lab.home, *NAMED)
        self.assertIn(at.VPS, next(check["title"] for check in checks if check["id"] == "dns-ptr"))
        self.assertNotIn("failed", [check["outcome"] for check in checks])

    def test_the_profile_names_it_all(self) -> None:
        self.egress(self.lab.vps, "enable", "mailu-vps", "--public-ip", at.VPS, *OF_THE_PROFILE)
        checks = self.looked_up(self.lab.vps)
        self.assertEqual(len([check for check in checks if check["outcome"] == "passed"]), len(checks), checks)
        self.assertEqual(len(self.outcomes(checks)), 10)

    def test_nothing_is_asked_unasked(self) -> None:
        self.egress(self.lab.vps, "enable", "mailu-vps", "--public-ip", at.VPS, *OF_THE_PROFILE)
        with self.lab.capture(self.lab.vps, at.UPLINK, "port 53") as capture:
            checks = self.json_of(self.lab.vps, "verify", "mailu-vps")["checks"]
        self.assertEqual([check for check in checks if check["id"].startswith("dns")], [])
        self.assertEqual(capture.packets, [])

    def test_lists_that_nobody_named_are_not_asked(self) -> None:
        with self.lab.capture(self.lab.vps, at.UPLINK, "port 53") as capture:
            checks = self.looked_up(self.lab.vps, "--mail-name", MAIL_NAME)
        self.assertNotEqual(capture.packets, [])
        self.assertNotIn("dns-blocklist", self.outcomes(checks))
        self.assertEqual(self.outcomes(checks)["dns-spf"], ["skipped"])

    def test_the_same_words_each_time(self) -> None:
        first, second = (self.looked_up(self.lab.vps, *NAMED) for _ in range(2))
        self.assertEqual(first, second)

    def test_by_a_resolver_that_validates_itself(self) -> None:
        self.dns.validates = True
        self.dns.publish()
        self.assertEqual(self.outcomes(self.looked_up(self.lab.vps, *NAMED))["dns-dnssec"], ["passed", "skipped"])

    def test_another_trust_anchor_judges_nothing_and_fails_nothing(self) -> None:
        """As with the internet's own, where a resolver gives no signatures: the answers count all the same."""
        self.lab.vps.path("/run/lab/other.key").write_text(f". IN DS 1 13 2 {'00' * 32}\n")
        checks = self.looked_up(self.lab.vps, *NAMED, "--trust-anchor", "/run/lab/other.key")
        self.assertEqual(self.outcomes(checks)["dns-dnssec"], ["skipped", "skipped"])
        self.assertEqual(self.outcomes(checks)["dns-spf"], ["passed", "passed"])

    def test_of_debians_two_trust_anchors_one_may_be_stale(self) -> None:
        self.lab.vps.run(["sh", "-ec", "mount -t tmpfs none /var/lib; mkdir /var/lib/unbound; mount -t tmpfs none /usr/share; "
                          f"mkdir /usr/share/dns; echo '. IN DS 1 13 2 {'00' * 32}' > /var/lib/unbound/root.key; "
                          f"cp {TRUST_ANCHOR} /usr/share/dns/root.key"])
        done = self.json_of(self.lab.vps, "verify", "mailu-vps", "--dns", *NAMED)
        self.assertEqual([c["outcome"] for c in done["checks"] if c["id"] == "dns-dnssec"], ["passed", "skipped"], done)

    def test_progress_on_a_terminal(self) -> None:
        said = self.lab.vps.output(["script", "-qec", f"{PROGRAM} verify mailu-vps --dns --mail-name {MAIL_NAME} "
                                    f"--trust-anchor {TRUST_ANCHOR}", "/dev/null"])
        self.assertIn(f"asking {RESOLVER}", said)


class Refusals(WithDns):
    def setUp(self) -> None:
        super().setUp()
        self.enable_vps()

    def refused(self, *options: str, says: str) -> None:
        self.assert_said(self.egress(self.lab.vps, "verify", "mailu-vps", "--dns", *options, expect=REFUSED), says)

    def unasked(self, *options: str, says: str) -> None:
        """Nobody can be asked: of that one check fails, and what else verify found is told all the same."""
        done = self.json_of(self.lab.vps, "verify", "mailu-vps", "--dns", *options, expect=NOT_AS_IT_SHOULD_BE)
        failed = [check for check in done["checks"] if check["outcome"] == "failed"]
        self.assertEqual([check["id"] for check in failed], ["dns-resolver"], failed)
        self.assertIn(says, failed[0]["detail"] + failed[0]["mend"])
        self.assertIn("tunnel", [check["id"] for check in done["checks"]])

    def test_what_cannot_be_asked_is_told(self) -> None:
        self.unasked(says="/etc/resolv.conf names no resolver")
        self.refused("--resolver", "ns.example.org", says="no resolver")
        self.refused("--mail-name", "mail", says="not a full name")
        self.refused("--resolver", RESOLVER, "--trust-anchor", "/nothing", says="--trust-anchor")
        self.refused("--resolver", RESOLVER, "--trust-anchor", "/etc/passwd", says="--trust-anchor")
        self.refused("--resolver", RESOLVER, "--trust-anchor", "/etc", says="Is a directory")
        done = self.egress(self.lab.vps, "verify", "mailu-vps", "--mail-name", MAIL_NAME, expect=REFUSED)
        self.assert_said(done, "--dns")

    def test_without_the_library_its_package_is_named(self) -> None:
        library = self.lab.vps.output(["sh", "-c", "readlink -f /usr/lib/*/libunbound.so.8"]).strip()
        self.lab.vps.run(["mount", "--bind", "/dev/null", library])
        self.unasked("--resolver", RESOLVER, says="libunbound8")
        self.egress(self.lab.vps, "verify", "mailu-vps")


class DualStack(WithDns):
    options = Options(ipv6=True, vps_ip_forward=1)

    def test_both_addresses(self) -> None:
        self.raise_dns()
        subnets = ("--subnet", at.CONTAINER_NET, "--subnet", at.CONTAINER6_NET)
        self.egress(self.lab.vps, "enable", "mailu-vps", "--public-ip", at.VPS, "--public-ip6", at.VPS6, *subnets)
        failed = [check for check in self.looked_up(self.lab.vps, *NAMED, expect=NOT_AS_IT_SHOULD_BE) if check["outcome"] == "failed"]
        self.assertEqual(failed[0]["id"], "dns-ptr", "of IPv6, which has no reverse zone at all")
        self.dns.add_zone("0.1.0.0.8.b.d.0.1.0.0.2.ip6.arpa.", PTR6, signed=True)
        self.dns.add(ADDRESS6)
        self.dns.publish()
        checks = self.looked_up(self.lab.vps, *NAMED)
        self.assertEqual(self.outcomes(checks)["dns-ehlo"], ["passed", "passed"])
        self.assertEqual(self.outcomes(checks)["dns-spf"], ["passed"] * 4)
        # One record is for both, and not two, which would be an error.
        self.dns.remove(SPF)
        self.dns.publish()
        failed = [c for c in self.looked_up(self.lab.vps, *NAMED, expect=NOT_AS_IT_SHOULD_BE) if c["outcome"] == "failed"]
        mends = {check["mend"] for check in failed if DOMAIN in check["title"]}
        self.assertEqual(len(mends), 1, failed)
        follow(self.dns, mends.pop())
        self.dns.publish()
        self.assertEqual(self.outcomes(self.looked_up(self.lab.vps, *NAMED))["dns-spf"], ["passed"] * 4)


Deed = Callable[[Dns], object]


def swap(old: str, *new: str) -> Deed:
    """Records in place of one."""
    def deed(dns: Dns) -> None:
        if old:
            dns.remove(old)
        for record in new:
            dns.add(record)
    return deed


def signatures(**how: Any) -> Deed:
    def deed(dns: Dns) -> None:
        for name, value in how.items():
            setattr(dns.zones[f"{DOMAIN}."], name, value)
    return deed


def _chain_of_includes(dns: Dns) -> None:
    dns.remove(SPF)
    dns.add(f'{DOMAIN}. IN TXT "v=spf1 include:s1.{DOMAIN} mx -all"')
    for i in range(1, 12):
        dns.add(f's{i}.{DOMAIN}. IN TXT "v=spf1 include:s{i + 1}.{DOMAIN} ?all"')
    dns.add(f's12.{DOMAIN}. IN TXT "v=spf1 ?all"')


@dataclass(frozen=True)
class Fault:
    name: str
    done: Deed
    check: str  # the id that fails first
    says: tuple[str, ...]
    mended: Deed | None = None  # None: by publishing what the mend shows
    options: tuple[str, ...] = ()
    alone: bool = True  # no other check fails with it


LISTED = f"10.113.0.203.{LIST}. IN A "
FAULTS = [
    Fault("no PTR", swap(PTR), "dns-ptr", ("it has none",)),
    Fault("PTR names another, which leads nowhere", swap(PTR, PTR.replace(MAIL_NAME, "host10.provider.example.net")), "dns-forward",
          ("has no address",), alone=False),
    Fault("PTR names another, which leads back", swap(PTR, PTR.replace(MAIL_NAME, f"host10.{UNSIGNED}"), f"host10.{UNSIGNED}. IN A {at.VPS}"),
          "dns-ehlo", (f"the address's name is host10.{UNSIGNED}",)),
    Fault("its name leads to another address", swap(ADDRESS, f"{MAIL_NAME}. IN A 203.0.113.99"), "dns-forward", ("203.0.113.99",), alone=False),
    Fault("its name is an alias of another host's", swap(ADDRESS, f"{MAIL_NAME}. IN CNAME home.{DOMAIN}.", f"home.{DOMAIN}. IN A 203.0.113.99"),
          "dns-forward", ("203.0.113.99",), alone=False),
    Fault("EHLO's name leads nowhere, and another one back", swap(ADDRESS, PTR.replace(MAIL_NAME, f"host10.{UNSIGNED}"), f"host10.{UNSIGNED}. IN A {at.VPS}"),
          "dns-ehlo", ("has no address",), alone=False),
    Fault("EHLO says another name", swap("", f"smtp.{DOMAIN}. IN A 203.0.113.99"), "dns-ehlo", (f"smtp.{DOMAIN} has 203.0.113.99",),
          options=("--mail-name", f"smtp.{DOMAIN}"), mended=lambda dns: None),
    Fault("EHLO says a name that there is not", swap(""), "dns-ehlo", ("has no address",), options=("--mail-name", f"smtp.{DOMAIN}"),
          mended=lambda dns: None),
    Fault("no SPF", swap(SPF), "dns-spf", ("none:",), alone=False),
    Fault("two SPF records", swap("", f'{DOMAIN}. IN TXT "v=spf1 a:{MAIL_NAME} ~all"'), "dns-spf", ("permerror", "2 SPF records"), alone=False),
    Fault("SPF that does not let it", swap(SPF, f'{DOMAIN}. IN TXT "v=spf1 ip4:192.0.2.0/24 -all"'), "dns-spf", ("fail: -all",), alone=False),
    Fault("SPF that says nothing of it", swap(SPF, f'{DOMAIN}. IN TXT "v=spf1 ip4:192.0.2.0/24"'), "dns-spf", ("neutral",), alone=False),
    Fault("SPF with a slip of the pen", swap(SPF, f'{DOMAIN}. IN TXT "v=spf1 mx ipv4:203.0.113.10 -all"'), "dns-spf",
          ("permerror", "ipv4:203.0.113.10"), alone=False),
    Fault("SPF that takes too many lookups", _chain_of_includes, "dns-spf", ("permerror", "more than 10 lookups"), alone=False),
    Fault("no MX", swap(MX), "dns-mx", ("no MX",), alone=False),
    Fault("MX to an alias", swap(MX, f"{DOMAIN}. IN MX 10 mx.{DOMAIN}.", f"mx.{DOMAIN}. IN CNAME {MAIL_NAME}."), "dns-mx", ("an alias",)),
    Fault("MX to nowhere", swap(MX, f"{DOMAIN}. IN MX 10 gone.{DOMAIN}."), "dns-mx", (f"gone.{DOMAIN} has no address",), alone=False),
    Fault("MX to a private address", swap(MX, f"{DOMAIN}. IN MX 10 home.{DOMAIN}.", f"home.{DOMAIN}. IN A 192.168.1.25"), "dns-mx",
          ("no public address",), alone=False),
    Fault("MX to loopback", swap(MX, f"{DOMAIN}. IN MX 10 home.{DOMAIN}.", f"home.{DOMAIN}. IN A 127.0.0.1"), "dns-mx",
          ("no public address",), alone=False),
    Fault("null MX", swap(MX, f"{DOMAIN}. IN MX 0 ."), "dns-mx", ("takes no mail",), alone=False),
    Fault("signatures that have expired", signatures(expired=True), "dns-dnssec", ("expired",), mended=signatures(expired=False)),
    Fault("an altered record in a signed zone", signatures(altered=("IN\tA\t203.0.113.10", "IN\tA\t203.0.113.11")), "dns-dnssec",
          ("verification failed",), mended=signatures(altered=("", ""))),
    Fault("signatures that have expired, and a resolver that validates", lambda dns: (signatures(expired=True)(dns), setattr(dns, "validates", True)),
          "dns-dnssec", ("expired",), mended=signatures(expired=False)),
    Fault("MTA-STS twice", swap("", STS.replace("2026", "2027")), "dns-mta-sts", ("2 records",)),
    Fault("MTA-STS without an id", swap(STS, f'_mta-sts.{DOMAIN}. IN TXT "v=STSv1"'), "dns-mta-sts", ("no id",)),
    Fault("MTA-STS without an id, by an alias", swap(STS, f"_mta-sts.{DOMAIN}. IN CNAME _mta-sts.{UNSIGNED}.", f'_mta-sts.{UNSIGNED}. IN TXT "v=STSv1"'),
          "dns-mta-sts", ("no id",), alone=False),
    Fault("listed", swap("", LISTED + "127.0.0.4", LISTED.replace(" IN A ", " IN TXT ") + '"caught a worm"'), "dns-blocklist",
          ("127.0.0.4", "caught a worm"), mended=lambda dns: (dns.remove(LISTED + "127.0.0.4"))),
    Fault("a resolver that is dead", lambda dns: setattr(dns, "resolves", False), "dns-resolver", ("no answer in time",),
          mended=lambda dns: setattr(dns, "resolves", True), options=("--dns-timeout", "2")),
    Fault("a resolver that fails", lambda dns: setattr(dns, "knows", False), "dns-resolver", ("SERVFAIL",),
          mended=lambda dns: setattr(dns, "knows", True), options=("--dns-timeout", "20")),
    Fault("a zone whose own server is dead", lambda dns: dns.dead.add(f"{UNSIGNED}."), "dns-resolver", (UNSIGNED,),
          mended=lambda dns: dns.dead.clear(), options=("--dns-timeout", "4")),
]

# What is told, and fails nothing.
TOLD: list[tuple[str, Deed, str, str]] = [
    ("no TLSA", swap(TLSA), "dns-tlsa", "3 1 1"),
    ("TLSA of a kind that mail servers pass over", swap(TLSA, TLSA.replace("3 1 1", "1 1 1")), "dns-tlsa", "pass over"),
    ("no MTA-STS", swap(STS), "dns-mta-sts", "would say so"),
    ("not signed, and TLSA of no effect", signatures(signed=False), "dns-tlsa", "not signed"),
    ("a list that refuses", swap("", LISTED + "127.255.255.254"), "dns-blocklist", "does not serve this resolver"),
    ("a list that is none any more", swap("", LISTED + "198.51.100.7"), "dns-blocklist", "one no longer"),
    ("listed by what is no list", swap(f"2.0.0.127.{LIST}. IN A 127.0.0.2", LISTED + "127.0.0.4"), "dns-blocklist", "does not list 127.0.0.2"),
    ("a list that there is not", swap(f"2.0.0.127.{LIST}. IN A 127.0.0.2"), "dns-blocklist", "nor is 127.0.0.2"),
    ("a list of everything", swap("", LISTED + "127.0.0.2", f"1.0.0.127.{LIST}. IN A 127.0.0.2"), "dns-blocklist", "127.0.0.1 too"),
    ("no MX, and an address", lambda dns: (swap(MX, f"{DOMAIN}. IN A 203.0.113.99")(dns), swap(SPF, SPF.replace(" mx ", f" a:{MAIL_NAME} "))(dns)),
     "dns-mx", "no mail server"),
    ("a list that does not answer", lambda dns: dns.dead.add(f"{LIST}."), "dns-blocklist", "does not answer"),
]

class Faults(WithDns):
    def setUp(self) -> None:
        super().setUp()
        self.raise_dns()
        self.enable_vps()

    def failed(self, *options: str) -> list[dict[str, Any]]:
        named = DOMAINS if "--mail-name" in options else NAMED
        checks = self.looked_up(self.lab.vps, *named, *options, expect=None)
        return [check for check in checks if check["outcome"] == "failed"]

    def mend_all(self, fault: Fault, failed: list[dict[str, Any]]) -> None:
        """The first that fails, and then what fails still: of domains that go by each other's records."""
        if fault.mended is not None:
            fault.mended(self.dns)
            self.dns.publish()
            return
        for _ in range(3):
            if not failed:
                return
            follow(self.dns, failed[0]["mend"])
            self.dns.publish()
            failed = self.failed(*fault.options)

    def find(self, fault: Fault) -> str:
        before = {name: list(zone.records) for name, zone in self.dns.zones.items()}
        fault.done(self.dns)
        self.dns.publish()
        failed = self.failed(*fault.options)
        self.assertNotEqual(failed, [], "it is not found")
        self.assertEqual(failed[0]["id"], fault.check, failed)
        if fault.alone:
            self.assertEqual(len(failed), 1, failed)
        for word in fault.says:
            self.assertIn(word, failed[0]["detail"])
        self.mend_all(fault, failed)
        named = () if "--mail-name" in fault.options else fault.options
        self.assertEqual(self.failed(*named), [], "mended, and it still fails")
        for name, zone in self.dns.zones.items():
            zone.records = before[name]
        self.dns.validates = False
        return f"{fault.name:62} {failed[0]['id']:14} {failed[0]['detail'][:90]}"

    def test_each_fault_is_found_and_its_mend_mends(self) -> None:
        self.assertEqual(self.failed(), [])
        print(f"\n{'broken':62} {'named by':14} saying")
        for fault in FAULTS:
            with self.subTest(fault.name):
                print(self.find(fault), flush=True)

    def test_where_nothing_else_is_asked_the_root_tells_the_zones_fault_from_the_resolvers(self) -> None:
        faults: list[tuple[Deed, str]] = [(lambda dns: dns.dead.add(REVERSE), f"dig +trace 10.{REVERSE} PTR"),
                                          (lambda dns: setattr(dns, "knows", False), "mend /etc/resolv.conf")]
        for deed, says in faults:
            with self.subTest(says):
                deed(self.dns)
                self.dns.publish()
                checks = self.looked_up(self.lab.vps, "--dns-timeout", "20", expect=NOT_AS_IT_SHOULD_BE)
                failed = [check for check in checks if check["outcome"] == "failed"]
                self.assertEqual([check["id"] for check in failed], ["dns-resolver"], checks)
                self.assertIn(says, failed[0]["mend"])

    def test_what_is_told_fails_nothing(self) -> None:
        for name, done, check, says in TOLD:
            with self.subTest(name):
                before = {zone: (list(held.records), held.signed) for zone, held in self.dns.zones.items()}
                done(self.dns)
                self.dns.publish()
                checks = self.looked_up(self.lab.vps, *NAMED, "--dns-timeout", "4")
                told = [c["detail"] for c in checks if c["id"] == check and c["outcome"] == "skipped"]
                self.assertTrue(any(says in detail for detail in told), checks)
                for zone, held in self.dns.zones.items():
                    held.records, held.signed = before[zone]
                self.dns.dead.clear()


if __name__ == "__main__":
    unittest.main()
