"""containerd's CRI plugin over its gRPC API: pods and containers as a kubelet makes them.

The interface is compiled from cri.proto when it is needed; grpcio-tools is in the test group of pyproject.toml.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from integration.containers import Result
from integration.engines.conmon import logged
from integration.engines.engine import CGROUP_PARENT, Wish, wait_until

if TYPE_CHECKING:
    from integration.engines.containerd import Containerd

# Read when grpc is imported. Its handlers of fork() would start threads in every child of the tests' process, and those
# end the child (SIGABRT) when their descriptors are closed before its exec.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"

HERE = Path(__file__).resolve().parent
SECONDS = 60
EXITED = 2
SHARED = {True: "shared-bare", False: "shared-wrap"}  # for the tests that are about containers, not pods
FIELDS = {
    ("memory", "limit"): "memory_limit_in_bytes",
    ("memory", "swap"): "memory_swap_limit_in_bytes",
    ("cpu", "shares"): "cpu_shares",
    ("cpu", "quota"): "cpu_quota",
    ("cpu", "period"): "cpu_period",
}


def cri_problem() -> str:
    """Why there is no client for the interface, "" if there is."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of theirs
            importlib.import_module("grpc_tools.protoc")
            importlib.import_module("grpc")
    except ImportError as error:
        return f"{error.name} is not installed"
    return ""


def compiled(place: Path) -> tuple[Any, Any]:
    """The messages and the stubs of cri.proto, generated below `place`."""
    place.mkdir()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        protoc = importlib.import_module("grpc_tools.protoc")
        argv = ["protoc", f"-I{HERE}", f"--python_out={place}", f"--grpc_python_out={place}", "cri.proto"]
        assert protoc.main(argv) == 0
        sys.path.insert(0, str(place))
        try:
            return importlib.import_module("cri_pb2"), importlib.import_module("cri_pb2_grpc")
        finally:
            sys.path.remove(str(place))


class Cri:
    """Pods of one runtime handler (`wrap` or "bare") and their containers, by name."""

    kind = "cri"
    gives_log = True

    def __init__(self, containerd: Containerd, wrap: str = "wrap") -> None:
        self._system = containerd.system
        self.place = containerd.place / "pods"
        self.messages, stubs = compiled(containerd.place / "cri")
        self.grpc = importlib.import_module("grpc")
        self._channel = self.grpc.insecure_channel(f"unix://{containerd.socket}")
        self.service = stubs.RuntimeServiceStub(self._channel)
        self.ids: dict[str, str] = {}
        self._pods: dict[str, str] = {}
        assert wait_until(self._answers)
        self.pod(SHARED[True], "bare")
        self.pod(SHARED[False], wrap)

    def _answers(self) -> bool:
        try:
            self.service.Version(self.messages.VersionRequest(version="v1"), timeout=SECONDS)
        except self.grpc.RpcError:
            return False
        return True

    def _pod_config(self, name: str) -> Any:
        new = self.messages
        namespaces = new.NamespaceOption(network=new.NODE)
        return new.PodSandboxConfig(
            metadata=new.PodSandboxMetadata(name=name, uid=name, namespace="tests", attempt=0),
            log_directory=str(self.place / name),
            linux=new.LinuxPodSandboxConfig(
                cgroup_parent=f"/{CGROUP_PARENT}",
                security_context=new.LinuxSandboxSecurityContext(namespace_options=namespaces),
            ),
        )

    def pod(self, name: str, handler: str) -> str:
        """Run a pod on the host's network; its id."""
        (self.place / name).mkdir(parents=True, exist_ok=True)
        request = self.messages.RunPodSandboxRequest(config=self._pod_config(name), runtime_handler=handler)
        self._pods[name] = self.service.RunPodSandbox(request, timeout=SECONDS).pod_sandbox_id
        return self._pods[name]

    def resources(self, wanted: dict[str, Any]) -> Any:
        """`linux.resources` in the words of the interface."""
        plain = {
            FIELDS[group, key]: value
            for group, keys in wanted.items()
            if group in ("memory", "cpu")
            for key, value in keys.items()
        }
        pages = [
            self.messages.HugepageLimit(page_size=one["pageSize"], limit=one["limit"])
            for one in wanted.get("hugepageLimits", ())
        ]
        return self.messages.LinuxContainerResources(**plain, unified=wanted.get("unified", {}), hugepage_limits=pages)

    def create(self, name: str, wish: Wish, pod: str) -> str:
        """CreateContainer; the id. The runtime is not called yet."""
        new = self.messages
        mounts = [new.Mount(container_path=wish.mount[1], host_path=wish.mount[0])] if wish.mount[0] else []
        security = new.LinuxContainerSecurityContext(namespace_options=new.NamespaceOption(network=new.NODE))
        config = new.ContainerConfig(
            metadata=new.ContainerMetadata(name=name, attempt=len(self.ids)),
            image=new.ImageSpec(image="localhost/box:latest"),
            command=list(wish.args),
            mounts=mounts,
            log_path=f"{name}.log",
            linux=new.LinuxContainerConfig(resources=self.resources(wish.resources), security_context=security),
        )
        request = new.CreateContainerRequest(
            pod_sandbox_id=self._pods[pod], config=config, sandbox_config=self._pod_config(pod)
        )
        self.ids[name] = self.service.CreateContainer(request, timeout=SECONDS).container_id
        return self.ids[name]

    def start(self, name: str) -> str:
        """StartContainer; "" or the error's text."""
        try:
            self.service.StartContainer(self.messages.ContainerId(id=self.ids[name]), timeout=SECONDS)
        except self.grpc.RpcError as error:
            return str(error.details())
        return ""

    def status(self, name: str) -> Any:
        """ContainerStatus."""
        request = self.messages.ContainerStatusRequest(container_id=self.ids[name], verbose=True)
        return self.service.ContainerStatus(request, timeout=SECONDS)

    def pid(self, name: str) -> int:
        """The init's process id as the plugin knows it."""
        return int(json.loads(self.status(name).info["info"])["pid"])

    def run(self, name: str, wish: Wish) -> Result:
        """CreateContainer, StartContainer, and the logs when it has ended."""
        pod = SHARED[wish.bare]
        self.create(name, wish, pod)
        problem = self.start(name)
        if problem:
            return Result(("StartContainer", name), 1, "", problem)
        assert wait_until(lambda: self.status(name).status.state == EXITED)
        out, err = logged(self.place / pod / f"{name}.log")
        return Result(("StartContainer", name), self.status(name).status.exit_code, out, err)

    def start_again(self, name: str, wish: Wish) -> Result:
        """As a kubelet does: the failed container is removed and the next attempt is a new one."""
        self.remove(name)
        return self.run(name, wish)

    def stop(self, name: str, timeout: int) -> None:
        """StopContainer."""
        request = self.messages.StopContainerRequest(id=self.ids[name], timeout=timeout)
        self.service.StopContainer(request, timeout=SECONDS)

    def remove(self, name: str) -> None:
        """RemoveContainer."""
        found = self.ids.pop(name, "")
        if found:
            self.service.RemoveContainer(self.messages.ContainerId(id=found), timeout=SECONDS)

    def remove_pod(self, name: str) -> None:
        """StopPodSandbox and RemovePodSandbox."""
        pod = self.messages.PodSandboxId(id=self._pods.pop(name))
        self.service.StopPodSandbox(pod, timeout=SECONDS)
        self.service.RemovePodSandbox(pod, timeout=SECONDS)

    def refusal(self, text: str, spoken: str = "", *, again: str = "") -> tuple[int, str]:
        """The last error of the log, in the plugin's frame: what a kubelet puts into the pod's events."""
        del spoken, again
        frame = "failed to create containerd task: failed to create shim task: OCI runtime create failed"
        return 1, f"{frame}: {text}{self._system.unknown}"

    def close(self) -> None:
        """Remove all pods, with their containers."""
        for name in list(self.ids):
            self.remove(name)
        for name in list(self._pods):
            self.remove_pod(name)
        self._channel.close()
