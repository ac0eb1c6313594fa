"""The cgroup driver that an engine should use on a host, as settings in the engine's own files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shim.host.negotiation import Negotiated, driver
from shim.values import Value

if TYPE_CHECKING:
    from shim.host.negotiation import Driver

ENGINES = ("docker", "containerd", "crio", "podman")
# KubeletConfiguration: failCgroupV1 is true by default since Kubernetes 1.35.
KUBELET_V1 = "the kubelet of Kubernetes 1.35 and later starts on cgroup v1 only with failCgroupV1: false"
KUBELET = "/var/lib/kubelet/config.yaml"


class Setting(Value):
    """The text for an engine's file. when: the version of the file's format, "" for all."""

    file: str
    text: str
    when: str = ""


class DriverAdvice(Value):
    """The driver for one engine, the reason, its settings, and further notes."""

    engine: str
    driver: Driver
    reason: str
    settings: tuple[Setting, ...]
    notes: tuple[str, ...] = ()


def answer(engine: str, found: Negotiated) -> DriverAdvice:
    """Return the driver and the settings of `engine`, one of ENGINES. Raises ShimError as
    `shim.host.negotiation.driver`.
    """
    chosen, reason = driver(found)
    kubernetes = engine in ("containerd", "crio")
    settings = _SETTINGS[engine](chosen)
    if kubernetes:
        settings = (*settings, Setting(file=KUBELET, text=f"cgroupDriver: {chosen}\n"))
    notes = (KUBELET_V1,) if kubernetes and found.version != "2" else ()
    return DriverAdvice(engine=engine, driver=chosen, reason=reason, settings=settings, notes=notes)


def _docker(chosen: Driver) -> tuple[Setting, ...]:
    text = f'{{"exec-opts": ["native.cgroupdriver={chosen}"]}}\n'
    return (Setting(file="/etc/docker/daemon.json", text=text),)


def _containerd(chosen: Driver) -> tuple[Setting, ...]:
    file, flag = "/etc/containerd/config.toml", "true" if chosen == "systemd" else "false"
    plugins = {"version = 3": "io.containerd.cri.v1.runtime", "version = 2": "io.containerd.grpc.v1.cri"}
    return tuple(
        Setting(
            file=file,
            text=f'[plugins."{plugin}".containerd.runtimes.runc.options]\nSystemdCgroup = {flag}\n',
            when=when,
        )
        for when, plugin in plugins.items()
    )


def _crio(chosen: Driver) -> tuple[Setting, ...]:
    # With cgroupfs CRI-O accepts no place for conmon but the pod's own cgroup.
    conmon = "system.slice" if chosen == "systemd" else "pod"
    text = f'[crio.runtime]\ncgroup_manager = "{chosen}"\nconmon_cgroup = "{conmon}"\n'
    return (Setting(file="/etc/crio/crio.conf.d/10-cgroup-driver.conf", text=text),)


def _podman(chosen: Driver) -> tuple[Setting, ...]:
    text = f'[engine]\ncgroup_manager = "{chosen}"\n'
    return (Setting(file="/etc/containers/containers.conf.d/10-cgroup-driver.conf", text=text),)


_SETTINGS = {"docker": _docker, "containerd": _containerd, "crio": _crio, "podman": _podman}
