"""What the operating system says, and single words that stand in messages."""

from __future__ import annotations

SYSTEM_MESSAGES = {
    "No such file or directory": "没有这个文件或文件夹",
    "there is no folder {path}": "没有文件夹 {path}",
    "Permission denied": "没有权限",
    "Operation not permitted": "不允许此操作",
    "Is a directory": "是文件夹",
    "Not a directory": "不是文件夹",
    "File exists": "文件已存在",
    "File name too long": "文件名过长",
    "No space left on device": "设备上没有剩余空间",
    "Disk quota exceeded": "超出磁盘配额",
    "File too large": "文件过大",
    "Read-only file system": "文件系统只读",
    "Input/output error": "输入输出错误",
    "Bad file descriptor": "文件描述符无效",
    "Too many levels of symbolic links": "符号链接层数过多",
    "Too many open files": "打开的文件过多",
    "Cannot allocate memory": "内存不足",
    "Broken pipe": "管道的另一端已关闭",
    "Connection refused": "连接被拒绝",
    "Connection reset by peer": "连接被对端重置",
    "Connection timed out": "连接超时",
    "No route to host": "到主机没有路由",
    "Network is unreachable": "网络不可达",
    "Address already in use": "地址已被占用",
    "exit status {status}": "退出码 {status}",
    "timed out": "超时",
}

WORDS = {
    "the Docker daemon": "Docker 守护进程", "the container": "容器",
    "network": "网络", "project": "项目", "service": "服务", "container": "容器", "host": "主机", "interface": "接口",
    "topology": "拓扑", "point": "抓包点", "File": "文件", "Directory": "文件夹", "Path": "路径", "nothing": "无",
    "before": "之前", "after": "之后",
    "none": "无", "report": "报告", "capture": "抓包文件",
}  # fmt: skip

# What is listed, among names.
PHRASES = {
    "root (use sudo)": "root（使用 sudo）",
    "a static busybox": "静态的 busybox",
    "bridges in the kernel (modprobe bridge)": "内核中的网桥（modprobe bridge）",
    "veth pairs in the kernel (modprobe veth)": "内核中的 veth 对（modprobe veth）",
    "NAT in the kernel (modprobe nf_nat xt_MASQUERADE)": "内核中的 NAT（modprobe nf_nat xt_MASQUERADE）",
    "the right to make namespaces (inside a container: docker run --privileged)":
        "创建命名空间的权限（在容器中：docker run --privileged）",
}  # fmt: skip
