#!/bin/bash
# The same job as one `nft -f` and one `ip -batch`: the least that could be done with the usual tools. It checks nothing,
# saves nothing and keeps no one's counters. usage: by_batch.sh enable|disable|status
set -eu

bridge=br-$(cat /run/bench-bridge)
case $1 in
enable)
    nft -f - <<EOF
table inet by-batch
delete table inet by-batch
table inet by-batch {
    chain mark-mail {
        type filter hook prerouting priority dstnat + 10
        ip daddr { 10.0.0.0/8, 100.64.0.0/10, 172.16.0.0/12, 192.168.0.0/16 } return
        iifname != "wg0" ip saddr 192.168.203.0/24 tcp dport 25 counter meta mark set 0x19
    }
    chain forward {
        type filter hook forward priority mangle
        iifname "wg0" ip daddr 192.168.203.0/24 tcp sport 25 ct state established ct direction reply counter meta mark set 0x19
        ip daddr { 10.0.0.0/8, 100.64.0.0/10, 172.16.0.0/12, 192.168.0.0/16 } return
        oifname != "wg0" ip saddr 192.168.203.0/24 tcp dport 25 counter reject with icmpx admin-prohibited
    }
    chain keep-address {
        type nat hook postrouting priority srcnat - 1
        oifname "wg0" ip saddr 192.168.203.0/24 tcp dport 25 counter snat ip to ip saddr
    }
}
insert rule ip filter DOCKER-USER meta mark 0x19 counter accept comment "by-batch"
insert rule ip raw PREROUTING iifname "wg0" ip daddr 192.168.203.0/24 tcp sport 25 tcp flags & (fin|syn|rst|ack) != syn counter accept comment "by-batch"
insert rule ip raw PREROUTING iifname "wg0" ip daddr 192.168.203.0/24 meta l4proto icmp counter accept comment "by-batch"
EOF
    ip -batch - <<EOF
route replace unreachable default metric 4294967295 table 100
route replace throw 10.0.0.0/8 table 100
route replace throw 100.64.0.0/10 table 100
route replace throw 172.16.0.0/12 table 100
route replace throw 192.168.0.0/16 table 100
route replace default dev wg0 table 100
rule add fwmark 0x19 table 100 pref 10025
rule add from 192.168.203.0/24 ipproto tcp dport 25 table 100 pref 10025
EOF
    for key in ip_forward=1 conf/{all,default,wg0,$bridge}/rp_filter=2; do
        echo "${key#*=}" >"/proc/sys/net/ipv4/${key%=*}"
    done
    ;;
disable)
    ip -batch - <<EOF
rule del fwmark 0x19 table 100 pref 10025
rule del from 192.168.203.0/24 ipproto tcp dport 25 table 100 pref 10025
route flush table 100
EOF
    {
        echo "delete table inet by-batch"
        for chain in "filter DOCKER-USER" "raw PREROUTING"; do
            nft -a list chain ip $chain | sed -n "s/.*by-batch.*# handle /delete rule ip $chain handle /p"
        done
    } | nft -f -
    for key in conf/{all,default,wg0,$bridge}/rp_filter=0; do
        echo "${key#*=}" >"/proc/sys/net/ipv4/${key%=*}"
    done
    ;;
status)
    ip rule
    ip route show table 100
    nft list ruleset
    ;;
esac
