#!/bin/bash
# Records SYNs that one host leaves without an answer, at `any` with cooked headers of both versions: run as root, as
# `unshare --net --mount bash record.sh FOLDER`. A container on a bridge (10.44.0.2) and an outer host (10.55.0.1)
# stand around the host that records (10.44.0.1, 10.55.0.5). The rules' counters are printed: one SYN and three retries.
set -euo pipefail
folder=$1

mkdir -p /run/netns
mount -t tmpfs none /run/netns  # names of this mount namespace alone
ip link set lo up
sysctl -qw net.ipv4.ip_forward=1
for name in container outside; do
  ip netns add "$name"
  ip -n "$name" link set lo up
done
ip link add bridge0 type bridge
ip link add veth0 type veth peer name eth0 netns container
ip link set veth0 master bridge0 up
ip link add card0 type veth peer name eth0 netns outside
ip addr add 10.44.0.1/24 dev bridge0
ip addr add 10.55.0.5/24 dev card0
ip link set bridge0 up
ip link set card0 up
ip -n container addr add 10.44.0.2/24 dev eth0
ip -n container link set eth0 up
ip -n container route add default via 10.44.0.1
ip -n outside addr add 10.55.0.1/24 dev eth0
ip -n outside link set eth0 up

# Three retries follow the first SYN in 4 s (RFC 6298, and Linux's tcp_syn_linear_timeouts).
call() {
  ip netns exec container python3 -c "
import socket
try:
    socket.create_connection(('$1', $2), timeout=3.9)
except OSError as error:
    print(error)"
}

record() { # NAME ADDRESS PORT
  local pids=() version
  for version in LINUX_SLL LINUX_SLL2; do
    : >"$folder/$version.log"
    tcpdump -i any -y "$version" -U -w "$folder/$1.${version#LINUX_}.pcap" tcp 2>"$folder/$version.log" &
    pids+=($!)
    until grep -q listening "$folder/$version.log"; do sleep 0.1; done
  done
  call "$2" "$3"
  until [ "$(tcpdump -r "$folder/$1.SLL2.pcap" 2>/dev/null | wc -l)" -ge 8 ]; do sleep 0.1; done
  kill "${pids[@]}"
  wait "${pids[@]}" || true
  rm "$folder"/LINUX_SLL*.log
}

iptables -A FORWARD -p tcp --dport 80 -j DROP
record forward-drop 10.55.0.1 80
iptables -vnxL FORWARD | tail -1
iptables -A INPUT -p tcp --dport 9000 -j DROP
record input-drop 10.44.0.1 9000
iptables -vnxL INPUT | tail -1
ip netns exec outside ip route # none leads to 10.44.0.0/24
record no-way-back 10.55.0.1 81
