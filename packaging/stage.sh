#!/usr/bin/env bash
# What every package contains; sourced by their build.sh, from the top of the source tree.
#
# stage is the directory that stands for /; version, python and SOURCE_DATE_EPOCH are set by `prepare`.

# prepare PYTHON: the interpreter is for the manual page and the completions.
prepare() {
    umask 022
    python=$1
    version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' shim/__init__.py)
    released=$(sed -n 's/^## \[[0-9].*\] - //p' CHANGELOG.md | head -n 1)
    export SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-$(date --utc --date "$released" +%s)}"
    export PYTHONDONTWRITEBYTECODE=1
    stage=$(mktemp -d)
    trap 'rm -rf "$stage"' EXIT
    chmod 755 "$stage"
}

# needs PACKAGES PROGRAM...: stop unless the programs are there; PACKAGES are what to install.
needs() {
    local packages=$1 name missing=""
    shift
    for name in "$@"; do
        command -v "$name" >/dev/null || missing="$missing $name"
    done
    [ -z "$missing" ] && return
    echo "$0: not installed:$missing; on Debian: apt-get install $packages" >&2
    exit 1
}

# needs_libraries: stop unless the interpreter has what cgshimctl needs.
needs_libraries() {
    "$python" -c 'import click, tomlkit' 2>/dev/null && return
    echo "$0: $python lacks click or tomlkit, which the manual page and the completions are made with;" >&2
    echo "  on Debian: apt-get install python3-click python3-tomlkit, or set PYTHON to an interpreter that has them" >&2
    exit 1
}

# bundle DIRECTORY: the libraries of packaging/bundled.txt, for hosts that have none that fit.
bundle() {
    if ! "$python" -m pip --version >/dev/null 2>&1; then
        echo "$0: $python has no pip, which fetches the libraries of packaging/bundled.txt;" >&2
        echo "  on Debian: apt-get install python3-pip, or set PYTHON to an interpreter that has it" >&2
        exit 1
    fi
    "$python" -m pip install --quiet --disable-pip-version-check --no-deps --no-compile --only-binary=:all: \
        --python-version=3.7 --target "$1" --requirement packaging/bundled.txt >&2
    rm -rf "${1:?}/bin"
    find "$1" -name RECORD -delete # it has the build's own paths and times
    export PYTHONPATH=$1
}

put() { install -D -m "$1" "$2" "$stage/$3"; }

# programs PREFIX SHEBANG: below PREFIX ("usr", or "" for a tree that is moved), with this first line in cgshimctl.
programs() {
    local prefix=$1 file
    while IFS= read -r file; do
        put 644 "$file" "${prefix}lib/cgshim/$file"
    done < <(find shim -name '*.py' -not -path '*/__pycache__/*' | sort)
    put 755 shim/launcher.sh "${prefix}bin/cgshim"
    put 755 shim/launcher.sh "${prefix}lib/cgshim/shim/launcher.sh" # for `cgshimctl engine install --prefix`
    [ ! -e hooks/cgshim-hook ] || put 755 hooks/cgshim-hook "${prefix}bin/cgshim-hook"
    ln -s cgshim "$stage/${prefix}bin/cgshim-runc" # the entries for the runc and the crun of the standard directories
    ln -s cgshim "$stage/${prefix}bin/cgshim-crun"
    sed "1s|.*|$2|" packaging/cgshimctl >"$stage/${prefix}bin/cgshimctl"
    chmod 755 "$stage/${prefix}bin/cgshimctl"
}

manuals() {
    local page
    mkdir -p "$stage/usr/share/man/man5" "$stage/usr/share/man/man8"
    for page in docs/man/*.[58]; do
        sed "s/@VERSION@/$version/" "$page" >"$stage/usr/share/man/man${page##*.}/${page##*/}"
    done
    "$python" -m shim.cli.manual >"$stage/usr/share/man/man8/cgshimctl.8"
    find "$stage/usr/share/man" -type f -exec gzip -9n {} +
    for page in cgshim-runc cgshim-crun cgshim-hook; do
        [ ! -e "$stage/usr/bin/$page" ] || ln -s cgshim.8.gz "$stage/usr/share/man/man8/$page.8.gz"
    done
}

# The watcher's unit, which no installation enables.
units() { put 644 examples/systemd/cgshim-watch.service usr/lib/systemd/system/cgshim-watch.service; }

# completion SHELL FILE
completion() {
    local shell=$1 file=$stage/$2
    mkdir -p "${file%/*}"
    _CGSHIMCTL_COMPLETE=${shell}_source "$python" -c 'from shim.cli.main import main; main(prog_name="cgshimctl")' >"$file"
}

# documents DIRECTORY: README, what it links to, and the examples.
documents() {
    local file
    for file in README.md LICENSE SECURITY.md CONTRIBUTING.md; do
        [ ! -e "$file" ] || put 644 "$file" "$1/$file"
    done
    find docs -maxdepth 1 -type f | while IFS= read -r file; do
        put 644 "$file" "$1/$file"
    done
    find examples -type f -not -path '*/__pycache__/*' | while IFS= read -r file; do
        put 644 "$file" "$1/$file"
    done
}

# All files have the time of the release, so that two builds are the same.
settle() { find "$stage" -exec touch --no-dereference --date "@$SOURCE_DATE_EPOCH" {} +; }
