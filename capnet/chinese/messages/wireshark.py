"""What `capnet wireshark` says of its parts, of files that it installs, and of this Wireshark."""

from __future__ import annotations

WIRESHARK_MESSAGES = {
    "Wireshark {version} ({path}), no Lua": "Wireshark {version}（{path}），没有 Lua",
    "Wireshark {version} ({path}), {lua}": "Wireshark {version}（{path}），{lua}",
    "Wireshark {version} reads extcap programs of all users only, from {folder}: sudo capnet wireshark install "
    "--system":
        "Wireshark {version} 只从 {folder} 读取所有用户的 extcap 程序：sudo capnet wireshark install --system",
    "{part}: not installed: {reason:text}": "{part}：未安装：{reason}",
    "nothing is installed": "没有安装任何内容",
    "{path} was edited since capnet installed it; remove it to get capnet's":
        "{path} 在 capnet 安装之后被编辑过；移除它即可得到 capnet 的",
    "{path} is not capnet's, or Wireshark saved it since; remove it to get capnet's":
        "{path} 不是 capnet 的，或 Wireshark 之后保存过；移除它即可得到 capnet 的",
    "{path} was edited since capnet installed it; it is yours to remove":
        "{path} 在 capnet 安装之后被编辑过；请自行移除",
    "{path} is not capnet's, or Wireshark saved it since; it is yours to remove":
        "{path} 不是 capnet 的，或 Wireshark 之后保存过；请自行移除",
    "{path} is up to date": "{path} 已是最新",
    "{path} is as Wireshark saved it": "{path} 是 Wireshark 保存的内容",
    "{path}: installed": "{path}：已安装",
    "{path}: removed": "{path}：已移除",
    "this version runs no Lua plugins as root": "这个版本不以 root 运行 Lua 插件",
    "Lua is switched off, or reports an error": "Lua 已关闭，或报告了错误",
    "Wireshark {version} has no extcap": "Wireshark {version} 没有 extcap",
    "Wireshark {version} was built without Lua": "Wireshark {version} 编译时没有 Lua",
    "{program} -G folders names no folder of plugins": "{program} -G folders 没有给出插件文件夹",
    "cannot be run; install again": "无法运行；请重新安装",
    "interfaces now: none, no Docker daemon answers": "现在的接口：无，没有 Docker 守护进程应答",
    "interfaces now: {number}": "现在的接口：{number}",
    "installed": "已安装", "not installed": "未安装", "not possible": "不可能", "outdated": "旧版本",
    "edited": "已编辑",
    "not read": "未读取", "broken": "已损坏", "not capnet's": "不是 capnet 的",
    "profile": "配置", "fields": "字段", "extcap": "extcap", "extcap for all users": "所有用户的 extcap",
}  # fmt: skip
