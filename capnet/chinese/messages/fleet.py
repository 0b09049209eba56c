"""Errors and lines of progress of `capnet fleet`."""

from __future__ import annotations

FLEET_MESSAGES = {
    "name captures: capnet fleet CAPTURES… -o FOLDER": "请写出抓包：capnet fleet CAPTURES… -o FOLDER",
    "{names}: no capture (*.pcap, *.pcapng, *.cap, compressed or not)":
        "{names}：没有抓包（*.pcap、*.pcapng、*.cap，压缩与否均可）",
    "captures that are not named any more: {captures}; their results are removed at the end (not after Ctrl-C)":
        "不再列出的抓包：{captures} 份；它们的结果最后会被删除（按 Ctrl-C 则保留）",
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
    "--jobs is for this machine, --dask for others: leave one of them out":
        "--jobs 用于本机，--dask 用于其他机器：只能用一个",
    "--dask {address}: is no address of a scheduler; one is tcp://head:8786":
        "--dask {address}：不是调度器的地址；例如 tcp://head:8786",
    "--dask {address}: no scheduler of Dask answers ({reason})": "--dask {address}：没有 Dask 调度器应答（{reason}）",
    "--dask: the scheduler has no workers; start some: dask worker ADDRESS --nthreads 1":
        "--dask：调度器没有 worker；请启动：dask worker ADDRESS --nthreads 1",
    "--dask: worker {worker}: {problem:text}": "--dask：worker {worker}：{problem}",
    "has capnet {version}, and this is {own}; install the same everywhere":
        "装的是 capnet {version}，而这里是 {own}；请各处安装同一版本",
    "cannot write to {folder}; mount captures and results at the same paths everywhere":
        "无法写入 {folder}；请把抓包和结果以相同路径挂载到各处",
}  # fmt: skip
