#!/usr/bin/env bash
# Builds cgshim_VERSION_all.deb with dpkg-deb alone.
#
#   packaging/deb/build.sh [DIRECTORY]    where to put it; default: the current directory. Prints its path.
#
# The package has a prefix of its own, /usr/lib/cgshim, beside /usr/bin/cgshim (the launcher finds it there) and
# /usr/bin/cgshimctl. Installing it registers nothing with any engine: that is `cgshimctl engine install`.
# PYTHON names an interpreter that has click, for the manual page and the completions; default: python3.
# SOURCE_DATE_EPOCH makes the result reproducible; default: the time of the last entry in CHANGELOG.md.
set -eu
umask 022
cd "$(dirname "$0")/../.."

target=$(cd "${1:-$OLDPWD}" && pwd)
python=${PYTHON:-/usr/bin/python3}
version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' shim/__init__.py)
released=$(sed -n 's/^## \[[0-9].*\] - //p' CHANGELOG.md | head -n 1)
export SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-$(date --utc --date "$released" +%s)}"
maintainer="${DEBFULLNAME:-cgshim maintainers} <${DEBEMAIL:-cgshim@users.noreply.github.com}>"

stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
chmod 755 "$stage"
doc=$stage/usr/share/doc/cgshim

put() { install -D -m "$1" "$2" "$stage/$3"; }

programs() {
    local file
    while IFS= read -r file; do
        put 644 "$file" "usr/lib/cgshim/$file"
    done < <(find shim -name '*.py' -not -path '*/__pycache__/*' | sort)
    put 755 shim/launcher.sh usr/bin/cgshim
    put 755 hooks/cgshim-hook usr/bin/cgshim-hook
    ln -s cgshim "$stage/usr/bin/cgshim-runc" # the entries for the runc and the crun of the standard directories
    ln -s cgshim "$stage/usr/bin/cgshim-crun"
    put 755 packaging/deb/cgshimctl usr/bin/cgshimctl
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
        ln -s cgshim.8.gz "$stage/usr/share/man/man8/$page.8.gz"
    done
}

completion() {
    local shell=$1 file=$stage/$2
    mkdir -p "${file%/*}"
    _CGSHIMCTL_COMPLETE=${shell}_source "$python" -c 'from shim.cli.main import main; main(prog_name="cgshimctl")' >"$file"
}

documents() {
    mkdir -p "$doc"
    put 644 README.md usr/share/doc/cgshim/README.md
    gzip -9n <CHANGELOG.md >"$doc/CHANGELOG.md.gz"
    # A native package: its packaging is part of the project and has no revisions of its own.
    cat >"$stage/changelog" <<EOF
cgshim ($version) unstable; urgency=medium

  * What this release changes for users is in CHANGELOG.md.gz.

 -- $maintainer  $(date --utc --date "@$SOURCE_DATE_EPOCH" --rfc-email)
EOF
    gzip -9n <"$stage/changelog" >"$doc/changelog.gz"
    rm "$stage/changelog"
    put 644 packaging/deb/copyright usr/share/doc/cgshim/copyright
    (cd examples && find . -type f -not -name '*.sh') | while IFS= read -r file; do
        put 644 "examples/$file" "usr/share/doc/cgshim/examples/$file"
    done
}

control() {
    mkdir "$stage/DEBIAN"
    sed -e "s/@VERSION@/$version/" -e "s/@MAINTAINER@/$maintainer/" \
        -e "s/@SIZE@/$(du --apparent-size -sk --exclude DEBIAN "$stage" | cut -f 1)/" \
        packaging/deb/control >"$stage/DEBIAN/control"
    put 755 packaging/deb/postinst DEBIAN/postinst
    put 755 packaging/deb/prerm DEBIAN/prerm
    (cd "$stage" && find usr -type f -print0 | sort -z | xargs -0 md5sum) >"$stage/DEBIAN/md5sums"
}

programs
manuals
completion bash usr/share/bash-completion/completions/cgshimctl
completion zsh usr/share/zsh/vendor-completions/_cgshimctl
completion fish usr/share/fish/vendor_completions.d/cgshimctl.fish
documents
control
find "$stage" -exec touch --no-dereference --date "@$SOURCE_DATE_EPOCH" {} +
dpkg-deb --root-owner-group -Zxz --build "$stage" "$target/cgshim_${version}_all.deb" >&2
echo "$target/cgshim_${version}_all.deb"
