#!/bin/bash
# The same job as a shell script of iptables, ip and sysctl calls: what the benchmark holds smtp-egress against.
# Home side, address kept through the tunnel; safe to run twice. usage: by_shell.sh enable|disable|status [bare]
#
# It makes the objects that smtp-egress makes: the mark, the guard for both families, what is refused and admitted of the
# replies, both policy rules, all routes of the table. What stands is looked for by the cheapest question there is: a chain
# of its own counts as whole where it is there.
# bare: only what the two shell scripts made that smtp-egress replaces. Nothing keeps the mail from the uplink then.
set -eu

tunnel=wg0 net=192.168.203.0/24
private=10.0.0.0/8,100.64.0.0/10,172.16.0.0/12,192.168.0.0/16
bridge=$(ip -o -4 address show | awk 'index($4, "192.168.203.1/") == 1 { print $2; exit }')
mark=0x19 table=100 priority=10025 kept=/run/by-shell
extent=${2:-whole}

once() { # TABLE CHAIN RULE…: at the chain's head, unless it is there
    iptables -w -t "$1" -C "${@:2}" 2>/dev/null || iptables -w -t "$1" -I "${@:2}"
}
gone() { # TABLE CHAIN RULE…
    iptables -w -t "$1" -D "${@:2}" 2>/dev/null || true
}
settings() { echo net.ipv4.ip_forward net.ipv4.conf.{all,default,$tunnel,$bridge}.rp_filter; }
chain() { # TABLE NAME CALLER: makes it; false where it is there
    iptables -w -t "$1" -N "$2" 2>/dev/null && iptables -w -t "$1" -I "$3" -j "$2"
}
no_chain() { # TABLE NAME CALLER
    gone "$1" "$3" -j "$2"
    iptables -w -t "$1" -F "$2"
    iptables -w -t "$1" -X "$2"
}

chains() { # mark, replies, guard
    if chain mangle SMTP-MARK PREROUTING; then
        iptables -w -t mangle -A SMTP-MARK -d $private -j RETURN
        iptables -w -t mangle -A SMTP-MARK ! -i $tunnel -s $net -p tcp --dport 25 -j MARK --set-mark $mark
    fi
    if chain mangle SMTP-REPLIES FORWARD; then
        local replies="-i $tunnel -d $net"
        iptables -w -t mangle -A SMTP-REPLIES $replies -p tcp --sport 25 ! --syn -m conntrack --ctstate INVALID,NEW -j DROP
        iptables -w -t mangle -A SMTP-REPLIES $replies -p tcp --sport 25 -m conntrack --ctstate ESTABLISHED --ctdir REPLY \
            -j MARK --set-mark $mark
        iptables -w -t mangle -A SMTP-REPLIES $replies -p icmp -m conntrack --ctstate RELATED -j MARK --set-mark $mark
    fi
    if chain filter SMTP-GUARD FORWARD; then
        iptables -w -A SMTP-GUARD -d $private -j RETURN
        iptables -w -A SMTP-GUARD ! -o $tunnel -s $net -p tcp --dport 25 -j REJECT --reject-with icmp-admin-prohibited
    fi
    local guard6="FORWARD -i $bridge ! -o $bridge -p tcp --dport 25 -j REJECT --reject-with icmp6-adm-prohibited"
    ip6tables -w -C $guard6 2>/dev/null || ip6tables -w -I $guard6
}

whole() { # beside the bare
    chains
    once raw PREROUTING -i $tunnel -d $net -p icmp -j ACCEPT
    once filter DOCKER-USER -m mark --mark $mark -j ACCEPT
    ip route replace unreachable default metric 4294967295 table $table
    for destination in ${private//,/ }; do
        ip route replace throw $destination table $table
    done
    ip rule show | grep -q "from $net ipproto tcp dport 25 lookup $table" ||
        ip rule add from $net ipproto tcp dport 25 table $table pref $priority
}

bare() {
    once filter DOCKER-USER -s $net -o $tunnel -p tcp --dport 25 -j ACCEPT
    once filter DOCKER-USER -i $tunnel -d $net -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
    once mangle PREROUTING -s $net -p tcp --dport 25 -j MARK --set-mark $mark
}

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
    $extent
    once raw PREROUTING -i $tunnel -d $net -p tcp --sport 25 ! --syn -j ACCEPT
    once nat POSTROUTING -o $tunnel -s $net -p tcp --dport 25 -j ACCEPT
    ip route show table $table 2>/dev/null | grep -q ^default || ip route add default dev $tunnel table $table
    ip rule show | grep -q "fwmark $mark lookup $table" || ip rule add fwmark $mark table $table pref $priority
    ;;
disable)
    ip rule del fwmark $mark table $table pref $priority 2>/dev/null || true
    gone nat POSTROUTING -o $tunnel -s $net -p tcp --dport 25 -j ACCEPT
    gone raw PREROUTING -i $tunnel -d $net -p tcp --sport 25 ! --syn -j ACCEPT
    if [ "$extent" = whole ]; then
        ip rule del from $net ipproto tcp dport 25 table $table pref $priority
        gone filter DOCKER-USER -m mark --mark $mark -j ACCEPT
        gone raw PREROUTING -i $tunnel -d $net -p icmp -j ACCEPT
        no_chain mangle SMTP-MARK PREROUTING
        no_chain mangle SMTP-REPLIES FORWARD
        no_chain filter SMTP-GUARD FORWARD
        ip6tables -w -D FORWARD -i $bridge ! -o $bridge -p tcp --dport 25 -j REJECT --reject-with icmp6-adm-prohibited
    else
        gone filter DOCKER-USER -s $net -o $tunnel -p tcp --dport 25 -j ACCEPT
        gone filter DOCKER-USER -i $tunnel -d $net -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
        gone mangle PREROUTING -s $net -p tcp --dport 25 -j MARK --set-mark $mark
    fi
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
    if [ "$extent" = whole ]; then
        iptables -t mangle -vnL SMTP-MARK
        iptables -t mangle -vnL SMTP-REPLIES
        iptables -vnL SMTP-GUARD
        ip6tables -vnL FORWARD
    fi
    ;;
esac
