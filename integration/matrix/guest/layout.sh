# Layout steps of the profiles table, sourced by start. A step changes this machine, or sets one of
#   parent  the cgroup below which the containers are made, "" for the root
#   enter   a command that runs the driver in a namespace of its own
# shellcheck shell=bash disable=SC2034
root=/sys/fs/cgroup
parent=
enter=()

layout_unified() {
  mount -t cgroup2 cgroup2 $root
}

# v1_hierarchies CONTROLLERS...: mount those that this kernel has v1 code for, as Debian names them.
v1_hierarchies() {
  local controllers
  mount -t tmpfs -o mode=755 tmpfs $root
  for controllers in "$@"; do
    mkdir "$root/$controllers"
    mount -t cgroup -o "$controllers" cgroup "$root/$controllers" 2> /dev/null || rmdir "$root/$controllers"
  done
  for controllers in cpu cpuacct; do [ ! -d $root/cpu,cpuacct ] || ln -s cpu,cpuacct $root/$controllers; done
  for controllers in net_cls net_prio; do [ ! -d $root/net_cls,net_prio ] || ln -s net_cls,net_prio $root/$controllers; done
  mkdir $root/systemd
  mount -t cgroup -o none,name=systemd cgroup $root/systemd
}

layout_legacy() {
  v1_hierarchies cpu,cpuacct cpuset memory devices freezer blkio pids hugetlb rdma perf_event net_cls,net_prio misc
}

# cpu and cpuset in one hierarchy, as systemd's JoinControllers= made it; its name is as /proc/self/cgroup has it.
layout_joined() {
  v1_hierarchies cpuset,cpu memory devices freezer blkio pids
  ln -s cpuset,cpu $root/cpu
  ln -s cpuset,cpu $root/cpuset
}

layout_hybrid() {
  layout_legacy
  mkdir $root/unified
  mount -t cgroup2 cgroup2 $root/unified
}

# As in Firecracker guests: one controller was forgotten and stays with cgroup2.
layout_hybrid_without_hugetlb() {
  v1_hierarchies cpu,cpuacct cpuset memory devices freezer blkio pids rdma perf_event net_cls,net_prio misc
  mkdir $root/unified
  mount -t cgroup2 cgroup2 $root/unified
}

# As many memory cgroups as the kernel has ids for.
layout_crowd() {
  mkdir $root/memory/crowd
  python3 -c '
import errno, itertools, os, sys
try:
    for number in itertools.count():
        os.mkdir(f"{sys.argv[1]}/{number}")
except OSError as error:
    sys.exit(0 if error.errno == errno.ENOSPC else f"{number} cgroups: {error}")' $root/memory/crowd
}

layout_zram() {
  modprobe zram && echo 128M > /sys/block/zram0/disksize && mkswap /dev/zram0 > /dev/null 2>&1 && swapon /dev/zram0
}

# A disk whose number the io cases use (7:0).
layout_disk() {
  modprobe loop && truncate -s 16M /run/disk && losetup /dev/loop0 /run/disk
}

layout_bfq() {
  modprobe bfq && echo bfq > /sys/block/loop0/queue/scheduler
}

# An RDMA device (Soft-RoCE), which the rdma cases name.
layout_rdma() {
  modprobe dummy numdummies=0 && ip link add ethernet0 type dummy && ip link set ethernet0 up &&
    modprobe rdma_rxe && rdma link add rxe0 type rxe netdev ethernet0
}

# A populated cgroup: the kernel refuses to enable domain controllers for its children (no internal processes).
layout_parent_with_process() {
  parent=/occupied
  mkdir $root/occupied
  sleep 100000 > /dev/null 2>&1 &
  echo $! > $root/occupied/cgroup.procs
}

layout_read_only() {
  mount -o bind,remount,ro $root
}

# A pod's own subtree where the host's root is expected, as on EKS; the processes still belong to the host's cgroup
# namespace, so /proc/self/cgroup names paths that do not exist below the mount.
layout_subtree() {
  make_pod
  echo $$ > $root/kubepods/pod/init/cgroup.procs
  mount --bind $root/kubepods/pod $root
}

# The same inside a cgroup namespace, as in a container engine that runs in a container.
layout_nested() {
  make_pod
  echo $$ > $root/kubepods/pod/cgroup.procs
  # The first process leaves the pod's own cgroup, too: no internal processes.
  # Expanded by the bash inside.
  # shellcheck disable=SC2016
  enter=(unshare --cgroup --mount bash -c 'for pid in $$ $PPID; do echo $pid > /sys/fs/cgroup/kubepods/pod/init/cgroup.procs; done
    mount --bind /sys/fs/cgroup/kubepods/pod /sys/fs/cgroup && exec "$@"' bash)
}

make_pod() {
  mkdir -p $root/kubepods/pod/init
  local dir
  for dir in $root $root/kubepods; do
    sed 's/^/+/; s/ / +/g' "$dir/cgroup.controllers" > "$dir/cgroup.subtree_control"
  done
}

layout_subtree_legacy() {
  local hierarchy pod
  for hierarchy in "$root"/*/; do
    [ ! -L "${hierarchy%/}" ] || continue
    for pod in "$hierarchy/kubepods" "$hierarchy/kubepods/pod" "$hierarchy/kubepods/pod/init"; do
      mkdir "$pod"
      # A cpuset of v1 starts empty and takes no process then.
      for file in cpuset.cpus cpuset.mems; do
        [ ! -e "$hierarchy/$file" ] || cat "$hierarchy/$file" > "$pod/$file"
      done
    done
    echo $$ > "$pod/cgroup.procs"
    mount --bind "$hierarchy/kubepods/pod" "$hierarchy"
  done
}

# Files that look like the kernel's and are not, as seen on vendor systems; and a directory that is no hierarchy.
layout_forged() {
  echo 'some avg10=0.00 avg60=0.00 avg300=0.00 total=0' > $root/memory.pressure
  umount $root/hugetlb
  mkdir -p $root/hugetlb
  echo 0 > $root/hugetlb/hugetlb.2MB.limit_in_bytes
}

layout_systemd() {
  local tries
  for tries in $(seq 100); do [ -S /run/dbus/system_bus_socket ] && return; sleep 0.2; done
  return 1
}
