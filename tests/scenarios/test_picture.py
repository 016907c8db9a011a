#!/usr/bin/python3
"""The path as a picture: its first broken hop is where the fault is, and its text, plain or coloured, in Unicode or
ASCII, shows what the JSON has."""

from __future__ import annotations

import shlex
import unittest

from scenario import DONE, NOT_AS_IT_SHOULD_BE, PROGRAM, Host, Scenario, topology as at

from picture import drawn, first_broken, outcomes_of

_LOCALE = ("LC_ALL", "LC_CTYPE", "LANG", "NO_COLOR", "TERM")
_PLAIN = ("LANG=C.UTF-8",)


class Picture(Scenario):
    def setUp(self) -> None:
        super().setUp()
        self.enable_both()

    def look(self, host: Host, *words: str, settings: tuple[str, ...] = _PLAIN, terminal: bool = False,
             expect: int = DONE) -> str:
        clean = [part for name in _LOCALE for part in ("-u", name)]
        command = ["env", *clean, *settings, str(PROGRAM), "verify", *words]
        done = host.run(["script", "-qec", shlex.join(command), "/dev/null"] if terminal else command, check=False)
        self.assertEqual(done.returncode, expect, done.stdout + done.stderr)
        return done.stdout.replace("\r\n", "\n")

    def assert_breaks_at(self, hop: str, host: Host, *words: str) -> str:
        """The first broken hop, by the JSON; the text shows the same of every hop."""
        document = self.json_of(host, "verify", *words, expect=NOT_AS_IT_SHOULD_BE)
        text = self.look(host, *words, expect=NOT_AS_IT_SHOULD_BE)
        self.assertEqual(drawn(text), outcomes_of(document["path"]), text)
        broken = first_broken(document["path"])
        assert broken is not None
        self.assertEqual(broken["id"], hop, text)
        first = next(check for check in document["checks"] if check["outcome"] == "failed")
        self.assertIn(first["id"], broken["checks"])
        self.assertEqual((broken["seen"], broken["mend"]), (first["detail"], first["mend"]))
        return text

    def assert_outcomes(self, text: str, way: str, **outcomes: str) -> None:
        seen = {hop: outcome for (hop, of), outcome in drawn(text).items() if of == way}
        self.assertEqual(list(seen.items()), list(outcomes.items()), text)

    def test_all_is_well(self) -> None:
        unseen = dict(vps="unknown", snat="unknown", internet="unknown")
        at_home = self.look(self.lab.home, "mailu-home")
        self.assert_outcomes(at_home, "out", sender="ok", bridge="ok", mark="ok", table="ok", firewall="ok",
                             tunnel="ok", **unseen)
        self.assert_outcomes(at_home, "back", sender="ok", bridge="ok", firewall="ok", tunnel="ok", **unseen)
        on_the_vps = self.look(self.lab.vps, "mailu-vps")
        for way in ("out", "back"):
            self.assert_outcomes(on_the_vps, way, home="unknown", tunnel="ok", vps="ok", snat="ok", internet="unknown")
        for name in (at.CONTAINER_NET, "0x19: 0 packets so far", "100: ", at.TUNNEL, at.VPS):
            self.assertIn(name, at_home)
        self.assert_mail_passes()
        self.assertRegex(self.look(self.lab.home, "mailu-home"), r"0x19: [1-9]\d* packets so far")
        self.assertIn(f"{at.VPS}: 1 connection so far", self.look(self.lab.vps, "mailu-vps"))

    def test_a_conversation_shows_the_rest_of_the_way(self) -> None:
        at_home = self.look(self.lab.home, "mailu-home", "--probe", at.MX)
        self.assertEqual(set(drawn(at_home).values()), {"ok"}, at_home)
        self.assertIn(f"{at.MX}:25 answers 220", at_home)
        on_the_vps = self.look(self.lab.vps, "mailu-vps", "--probe", at.MX)
        for way in ("out", "back"):
            self.assert_outcomes(on_the_vps, way, home="unknown", tunnel="ok", vps="ok", snat="ok", internet="ok")

    def test_the_tunnel_is_down(self) -> None:
        self.lab.home.run(["ip", "link", "set", at.TUNNEL, "down"])
        text = self.assert_breaks_at("tunnel", self.lab.home, "mailu-home")
        self.assertEqual(text.split("\n\n")[1].count("✗"), 2, "the tunnel, both ways, and nothing else")
        self.assertIn("mend: `ip link set wg0 up`", text)

    def test_a_rule_is_deleted(self) -> None:
        self.lab.home.run(["ip", "rule", "del", "pref", "10025", "fwmark", "0x19"])
        self.assert_breaks_at("table", self.lab.home, "mailu-home")

    def test_a_firewall_drops_the_mail(self) -> None:
        self.lab.home.run(["nft", "add table inet fw; add chain inet fw c { type filter hook forward priority 10; policy drop; }"])
        self.assert_breaks_at("firewall", self.lab.home, "mailu-home")

    def test_only_replies_are_dropped(self) -> None:
        self.lab.home.run(["nft", "add table ip fw; add chain ip fw c { type filter hook prerouting priority -310; }; "
                           f"add rule ip fw c iifname {at.TUNNEL} tcp sport 25 drop"])
        text = self.assert_breaks_at("firewall", self.lab.home, "mailu-home")
        self.assertEqual((drawn(text)["firewall", "out"], drawn(text)["firewall", "back"]), ("ok", "broken"))

    def test_the_vps_is_not_enabled_and_home_probes(self) -> None:
        self.egress(self.lab.vps, "disable", "mailu-vps")
        self.assert_breaks_at("vps", self.lab.home, "mailu-home", "--probe", at.MX, "--probe-timeout", "3")

    def test_a_server_that_is_not_there(self) -> None:
        text = self.assert_breaks_at("internet", self.lab.home, "mailu-home", "--probe", at.MX_ROUTER)
        self.assertEqual(drawn(text)["tunnel", "out"], "ok")

    def test_snat_is_gone_on_the_vps(self) -> None:
        self.lab.vps.run(["nft", "flush", "chain", "inet", "smtp-egress-mailu-vps", "public-address"])
        self.assert_breaks_at("snat", self.lab.vps, "mailu-vps")

    def test_colour_is_for_terminals_that_want_it(self) -> None:
        home, words = self.lab.home, ("mailu-home",)
        plain = self.look(home, *words).split("\n\n")[1]
        self.assertNotIn("\x1b", plain)
        for settings in (("TERM=xterm",), ("TERM=xterm", "NO_COLOR=")):
            coloured = self.look(home, *words, settings=(*_PLAIN, *settings), terminal=True)
            self.assertIn("\x1b[32m✓\x1b[0m", coloured)
            self.assertEqual(outcomes_of(self.json_of(home, "verify", *words)["path"]), drawn(coloured))
        for settings in (("TERM=xterm", "NO_COLOR=1"), ("TERM=dumb",)):
            told = self.look(home, *words, settings=(*_PLAIN, *settings), terminal=True)
            self.assertNotIn("\x1b", told)
            self.assertIn("✓", told)

    def test_ascii_where_it_is_asked_for_or_the_locale_has_no_more(self) -> None:
        self.lab.home.run(["ip", "rule", "del", "pref", "10025", "fwmark", "0x19"])
        drawings = []
        for settings, words in ((("LANG=C",), ()), ((), ()), (("LC_ALL=C", "LANG=de_DE.UTF-8"), ()),
                                (_PLAIN, ("--ascii",))):
            for terminal in (False, True):
                told = self.look(self.lab.home, "mailu-home", *words, settings=(*settings, "TERM=dumb"),
                                 terminal=terminal, expect=NOT_AS_IT_SHOULD_BE)
                self.assertTrue(told.isascii(), told)
                drawings.append(drawn(told))
        self.assertEqual(drawings, [drawings[0]] * len(drawings))
        self.assertEqual(drawings[0]["table", "out"], "broken")

    def test_lines_are_80_columns_at_most_and_quiet_says_nothing(self) -> None:
        self.lab.home.run(["nft", "add table inet fw; add chain inet fw c { type filter hook forward priority 10; policy drop; }"])
        text = self.look(self.lab.home, "mailu-home", expect=NOT_AS_IT_SHOULD_BE)
        for line in text.split("\n\n")[1].splitlines():
            self.assertLessEqual(len(line), 80, line)
        self.assertEqual(self.look(self.lab.home, "mailu-home", "--quiet", expect=NOT_AS_IT_SHOULD_BE), "")


if __name__ == "__main__":
    unittest.main()
