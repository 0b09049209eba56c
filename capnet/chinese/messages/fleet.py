"""Errors and lines of progress of `capnet fleet`."""

from __future__ import annotations

FLEET_MESSAGES = {
    "name captures: capnet fleet CAPTURES… -o FOLDER": "请写出抓包：capnet fleet CAPTURES… -o FOLDER",
    "{names}: no capture (*.pcap, *.pcapng, *.cap, compressed or not)":
        "{names}：没有抓包（*.pcap、*.pcapng、*.cap，压缩与否均可）",
    "{done} of {captures} captures are done already": "{captures} 份抓包中的 {done} 份已经完成",
    "{done} of {captures} captures are done; the same command goes on":
        "{captures} 份抓包中的 {done} 份已完成；同样的命令会接着做",
    "{name}: a list in a list; name its captures instead": "{name}：列表中的列表；请直接写出其中的抓包",
    "{name}: no file has such a name": "{name}：没有这样名称的文件",
    "{folder}: was made with --to {format}, --vxlan-port {port}; name another folder for other options":
        "{folder}：是以 --to {format}、--vxlan-port {port} 建立的；要用其他选项，请写另一个文件夹",
    "{folder}: has results of other captures alone; name another folder, or remove it":
        "{folder}：其中只有其他抓包的结果；请写另一个文件夹，或删除它",
    "{folder}: is not empty, and no folder of capnet fleet; name another one":
        "{folder}：不是空的，也不是 capnet fleet 的文件夹；请写另一个",
    "{folder}: is damaged; remove the folder, or name another one": "{folder}：已损坏；请删除文件夹，或写另一个",
    "{folder}: another capnet fleet writes there; wait for its end":
        "{folder}：另一个 capnet fleet 正在写入；请等它结束",
}  # fmt: skip
