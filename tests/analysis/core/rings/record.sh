set -e
ip link set lo up
mkdir -p d t g
dumpcap -q -i lo -f tcp -b packets:12 -w d/lo.pcapng 2>/dev/null & D=$!
tcpdump -Z root -U -i lo -G 1 -w g/lo-%Y%m%d-%H%M%S.pcap tcp 2>/dev/null & G=$!
sleep 1.5
python3 - <<'P'
import socket,threading,time
s=socket.create_server(("127.0.0.1",8080))
def serve():
    while True:
        c,_=s.accept()
        with c:
            while d:=c.recv(4096): c.sendall(b"x"*500)
threading.Thread(target=serve,daemon=True).start()
for i in range(3):
    c=socket.create_connection(("127.0.0.1",8080))
    for j in range(4):
        c.sendall(b"hello"); c.recv(4096); time.sleep(0.2)
    c.close()
P
sleep 1; kill -INT $D $G; wait
