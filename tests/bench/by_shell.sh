#!/bin/bash
# The same job as a shell script of iptables, ip and sysctl calls: what the benchmark holds smtp-egress against.
# Home side, address kept through the tunnel; safe to run twice. usage: by_shell.sh enable|disable|status
set -eu

tunnel=wg0 net=192.168.203.0/24
bridge=$(ip -o -4 address show | awk 'index($4, "192.168.203.1/") == 1 { print $2; exit }')
mark=0x19 table=100 priority=10025 kept=/run/by-shell

once() { # TABLE CHAIN -I|-A RULE…: adds the rule unless it is there
    local in=$1 chain=$2 how=$3
    shift 3
    iptables -w -t "$in" -C "$chain" "$@" 2>/dev/null || iptables -w -t "$in" "$how" "$chain" "$@"
}
gone() { # TABLE CHAIN RULE…
    local in=$1
    shift
    iptables -w -t "$in" -D "$@" 2>/dev/null || true
}
settings() { echo net.ipv4.ip_forward net.ipv4.conf.{all,default,$tunnel,$bridge}.rp_filter; }

case $1 in
enable)
    mkdir -p $kept
    for key in $(settings); do
        [ -e "$kept/$key" ] || sysctl -n "$key" >"$kept/$key"
    done
    sysctl -qw net.ipv4.ip_forward=1
    for key in net.ipv4.conf.{all,default,$tunnel,$bridge}.rp_filter; do
        sysctl -qw "$key=2"
    done
    once filter DOCKER-USER -I -s $net -o $tunnel -p tcp --dport 25 -j ACCEPT
    once filter DOCKER-USER -I -i $tunnel -d $net -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
    once raw PREROUTING -I -i $tunnel -d $net -p tcp --sport 25 -j ACCEPT
    once mangle PREROUTING -A -s $net -p tcp --dport 25 -j MARK --set-mark $mark
    ip rule show | grep -q "fwmark $mark lookup $table" || ip rule add fwmark $mark table $table pref $priority
    ip route show table $table 2>/dev/null | grep -q ^default || ip route add default dev $tunnel table $table
    once nat POSTROUTING -I -o $tunnel -s $net -p tcp --dport 25 -j ACCEPT
    ;;
disable)
    gone nat POSTROUTING -o $tunnel -s $net -p tcp --dport 25 -j ACCEPT
    gone raw PREROUTING -i $tunnel -d $net -p tcp --sport 25 -j ACCEPT
    gone filter DOCKER-USER -s $net -o $tunnel -p tcp --dport 25 -j ACCEPT
    gone filter DOCKER-USER -i $tunnel -d $net -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
    gone mangle PREROUTING -s $net -p tcp --dport 25 -j MARK --set-mark $mark
    ip rule del fwmark $mark table $table pref $priority 2>/dev/null || true
    ip route flush table $table 2>/dev/null || true
    for key in $(settings); do
        sysctl -qw "$key=$(cat "$kept/$key")"
    done
    rm -r $kept
    ;;
status)
    ip rule
    ip route show table $table
    iptables -t mangle -S PREROUTING | grep -e '--dport 25' || true
    iptables -t nat -S POSTROUTING | grep -E "$tunnel|ACCEPT|MASQUERADE" || true
    iptables -S DOCKER-USER
    sysctl -n net.ipv4.ip_forward
    iptables -vnL DOCKER-USER
    iptables -t raw -vnL PREROUTING
    ;;
esac
