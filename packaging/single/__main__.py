"""What cgshim's single file does: `install [PREFIX]`, `uninstall [PREFIX]`, else it is cgshimctl.

Written for every Python 3, so that one that is too old can say so. PREFIX is /opt/cgshim if it is not named.
"""

import os
import shutil
import subprocess
import sys
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))  # the file itself
OLDEST = (3, 7)
PREFIX = "/opt/cgshim"
OWN = ("bin/cgshim", "bin/cgshim-runc", "bin/cgshim-crun", "bin/cgshim-hook", "bin/cgshimctl")
INSTALLED_ONLY = ("engine", "hooks", "compile")  # these write the path of an installation somewhere
USAGE = """usage: {0} install [PREFIX]      unpack to PREFIX (default: {1}), compile, register nothing
       {0} uninstall [PREFIX]    take that away
       {0} COMMAND ...           cgshimctl without an installation; see {0} --help"""


def main(arguments):
    """Run; the exit status is cgshimctl's, 3 for a refusal."""
    if sys.version_info < OLDEST:
        _newer_python()
    words = [word for word in arguments if not word.startswith("-")]
    if arguments[:1] in (["install"], ["uninstall"]):
        if len(arguments) == len(words) <= 2:
            prefix = arguments[1] if len(arguments) == 2 else PREFIX
            return install(prefix) if arguments[0] == "install" else uninstall(prefix)
        print(USAGE.format(os.path.basename(HERE), PREFIX))
        return 2 if "--help" not in arguments and "-h" not in arguments else 0
    if words[:1] and words[0] in INSTALLED_ONLY and "--help" not in arguments:
        return _refuse(
            "{0} needs an installation".format(words[0]), "run: {0} install, then PREFIX/bin/cgshimctl".format(HERE)
        )
    sys.path.insert(0, os.path.join(HERE, "lib", "cgshim"))
    from shim.cli.main import main as tool

    return tool(prog_name="cgshimctl")


def _newer_python():
    """Go on with an interpreter that is new enough; end if there is none."""
    places = ("/usr/bin", "/usr/local/bin", "/usr/libexec")
    names = ["python3.{0}".format(minor) for minor in (13, 14, 12, 11, 10, 9, 8, 7)] + ["platform-python"]
    check = "import sys; sys.exit(sys.version_info < (3, 7))"
    for path in [os.path.join(place, name) for name in names for place in places]:
        if os.access(path, os.X_OK) and subprocess.call([path, "-ISc", check]) == 0:
            os.execv(path, [path, HERE, *sys.argv[1:]])
    version = ".".join(str(part) for part in sys.version_info[:3])
    what = "{0} is Python {1}, and cgshim needs 3.7 or newer".format(sys.executable, version)
    sys.exit(_refuse(what, "install a newer one, for instance python39 or python3.11, and call {0} again".format(HERE)))


def _refuse(what, remedy):
    sys.stderr.write("cgshim: {0} [single-file]\n  remedy: {1}\n".format(what, remedy))
    return 3


def install(prefix):
    """Unpack, choose this interpreter, compile. What was there before stays until all of the new files are."""
    if not prefix.startswith("/"):
        return _refuse("{0!r} is not an absolute path".format(prefix), "name the directory from the root on")
    library = os.path.join(prefix, "lib", "cgshim")
    fresh = library + ".new"
    try:
        shutil.rmtree(fresh, ignore_errors=True)
        os.makedirs(os.path.join(prefix, "bin"), exist_ok=True)
        programs = _unpack(prefix, fresh)
        os.symlink(sys.executable, os.path.join(fresh, "python"))
        _replace(fresh, library)
        for path, content in programs:
            _write(path + ".new", content, 0o755)
            os.rename(path + ".new", path)
        for name in ("cgshim-runc", "cgshim-crun"):
            path = os.path.join(prefix, "bin", name)
            if os.path.lexists(path):
                os.unlink(path)
            os.symlink("cgshim", path)
    except OSError as error:
        shutil.rmtree(fresh, ignore_errors=True)
        return _refuse("{0}: {1}".format(prefix, error), "install as root, or to another PREFIX, on a disk with room")
    tool = os.path.join(prefix, "bin", "cgshimctl")
    print("installed cgshim in {0}, with {1}".format(prefix, sys.executable))
    sys.stdout.flush()
    return subprocess.call([tool, "compile"])


def _unpack(prefix, fresh):
    """The library to `fresh`; the programs as (path, content), to be written when it is in its place."""
    programs = []
    with zipfile.ZipFile(HERE) as archive:
        for one in archive.infolist():
            content = archive.read(one)
            if one.filename.startswith("bin/"):
                if one.filename.endswith("/cgshimctl"):
                    own = os.path.join(prefix, "lib", "cgshim", "python").encode()
                    content = content.replace(b"@PYTHON@", own, 1)
                programs.append((os.path.join(prefix, one.filename), content))
            elif one.filename.startswith("lib/cgshim/"):
                _write(
                    os.path.join(fresh, one.filename[len("lib/cgshim/") :]), content, one.external_attr >> 16 & 0o777
                )
    return programs


def _write(path, content, mode):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.chmod(path, mode)


def _replace(fresh, library):
    """Two renames: for that moment a call refuses, as the package is missing, and starts nothing."""
    old = library + ".old"
    shutil.rmtree(old, ignore_errors=True)
    if os.path.lexists(library):
        os.rename(library, old)
    os.rename(fresh, library)
    shutil.rmtree(old, ignore_errors=True)


def uninstall(prefix):
    """Take away what `install` has made, unless an engine still calls it."""
    library, tool = os.path.join(prefix, "lib", "cgshim"), os.path.join(prefix, "bin", "cgshimctl")
    if not os.path.isdir(os.path.join(library, "shim")):
        return _refuse("there is no cgshim in {0}".format(prefix), "name the directory that `install` was given")
    called = []
    for engine in ("podman", "containerd", "docker", "crio", "nerdctl", "buildkit"):
        argv = [tool, "engine", "status", engine, "--binary", os.path.join(prefix, "bin", "cgshim")]
        done = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, universal_newlines=True)
        if any(line.startswith("ok") and "registered" in line for line in done.communicate()[0].splitlines()):
            called.append(engine)
    if called:
        remedy = "run: {0}".format("; ".join("{0} engine remove {1}".format(tool, engine) for engine in called))
        return _refuse("{0} still call {1}/bin/cgshim".format(", ".join(called), prefix), remedy)
    shutil.rmtree(library)
    for path in [os.path.join(prefix, name) for name in OWN]:
        if os.path.lexists(path):
            os.unlink(path)
    for path in (os.path.join(prefix, "bin"), os.path.join(prefix, "lib"), prefix):
        try:
            os.rmdir(path)
        except OSError:
            break
    print("removed cgshim from {0}".format(prefix))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
