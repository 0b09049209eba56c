#!/bin/sh
# Records any.pcap and addresses.json: a host with a bridge, two containers, and a network card to a peer, all network
# namespaces of one machine. Run it as root in an empty folder with a page www/index.html.
set -e
for n in h c1 c2 p; do ip netns add capnet-any-$n; ip -n capnet-any-$n link set lo up; done
trap 'for n in h c1 c2 p; do ip netns del capnet-any-$n; done' EXIT
ip -n capnet-any-h link add br0 type bridge; ip -n capnet-any-h addr add 172.30.0.1/24 dev br0; ip -n capnet-any-h link set br0 up
for i in 1 2; do
 ip link add veth$i netns capnet-any-h type veth peer name eth0 netns capnet-any-c$i
 ip -n capnet-any-h link set veth$i master br0 up
 ip -n capnet-any-c$i addr add 172.30.0.1$i/24 dev eth0; ip -n capnet-any-c$i link set eth0 up; ip -n capnet-any-c$i route add default via 172.30.0.1
done
ip link add ens33 netns capnet-any-h type veth peer name ens33 netns capnet-any-p
ip -n capnet-any-h addr add 192.168.50.1/24 dev ens33; ip -n capnet-any-h link set ens33 up
ip -n capnet-any-p addr add 192.168.50.2/24 dev ens33; ip -n capnet-any-p link set ens33 up
ip netns exec capnet-any-h sysctl -qw net.ipv4.ip_forward=1
ip netns exec capnet-any-h iptables -t nat -A POSTROUTING -s 172.30.0.0/24 -o ens33 -j MASQUERADE
ip netns exec capnet-any-h iptables -t nat -A PREROUTING -i ens33 -p tcp --dport 8080 -j DNAT --to 172.30.0.11:80
sleep 2  # IPv6 addresses are tentative
ip netns exec capnet-any-c1 busybox httpd -p 80 -h www
ip netns exec capnet-any-p busybox httpd -p 7000 -h www
ip netns exec capnet-any-h tcpdump -i any -y LINUX_SLL2 -U -w any.pcap 2>/dev/null & T1=$!
sleep 2
ip netns exec capnet-any-c2 ping -c 2 172.30.0.11 >/dev/null
ip netns exec capnet-any-c2 ping -c 2 192.168.50.2 >/dev/null
ip netns exec capnet-any-c2 curl -s http://192.168.50.2:7000/ >/dev/null
ip netns exec capnet-any-p curl -s http://192.168.50.1:8080/ >/dev/null
ip netns exec capnet-any-h ping -c 1 127.0.0.1 >/dev/null
ip -n capnet-any-h -j -d addr > addresses.json
sleep 2
kill $T1; wait $T1 || true
for n in c1 p; do for pid in $(ip netns pids capnet-any-$n); do kill $pid; done; done
