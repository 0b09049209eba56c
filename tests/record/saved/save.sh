# Saves what Docker, ip and netfilter print on a host of the lab, as for a support case: save.sh HOST FOLDER
# Run inside the host: capnet lab exec A sh save.sh A FOLDER
set -e
mkdir -p "$2/$1"
cd "$2/$1"
docker info --format '{{json .}}' >docker-info.json
docker ps >docker-ps.txt
docker inspect $(docker ps -q) >docker-inspect.json
docker network inspect -v $(docker network ls -q) >docker-network-inspect.json
docker service inspect $(docker service ls -q) >docker-service-inspect.json || rm docker-service-inspect.json # a worker
ip address >ip-a.txt
save() { # $1: folder, others: what enters the namespace
  mkdir -p "$1"
  folder=$1
  shift
  "$@" ip -j -d address >"$folder/ip-address.json"
  "$@" ip -j route >"$folder/ip-route.json"
  "$@" ip -j neigh >"$folder/ip-neigh.json"
}
save .
iptables-save -c >iptables-save.txt
if command -v nft >/dev/null; then nft -j list ruleset >nft.json; fi
conntrack -L >conntrack.txt
sysctl -a | grep -E '^net\.(ipv4\.(ip_forward|conf\.(all|default)\.rp_filter)|bridge\.)' >sysctl.txt
for id in $(docker ps -q); do
  case $(docker inspect -f '{{.HostConfig.NetworkMode}}' "$id") in host | container:*) continue ;; esac
  save "$(docker inspect -f '{{.Name}}' "$id" | tr -d /)" \
    nsenter --net="/proc/$(docker inspect -f '{{.State.Pid}}' "$id")/ns/net"
done
for file in $(grep ' - nsfs ' /proc/self/mountinfo | cut -d' ' -f5 | grep '/exec/netns/\(1-\|lb_\|ingress\)'); do
  save "$(basename "$file")" nsenter --net="$file"
done
