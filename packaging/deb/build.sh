#!/usr/bin/env bash
# Builds cgshim_VERSION_all.deb with dpkg-deb alone.
#
#   packaging/deb/build.sh [DIRECTORY]    where to put it; default: the current directory. Prints its path.
#
# The package has a prefix of its own, /usr/lib/cgshim, beside /usr/bin/cgshim and /usr/bin/cgshimctl, which find it there.
# Installing it registers nothing with any engine: that is `cgshimctl engine install`.
# It needs python3-click and python3-tomlkit for the manual page and the completions; PYTHON names another interpreter.
# SOURCE_DATE_EPOCH makes the result reproducible; default: the time of the last entry in CHANGELOG.md.
set -eu
cd "$(dirname "$0")/../.."

target=$(cd "${1:-$OLDPWD}" && pwd)
# shellcheck source=packaging/stage.sh
. packaging/stage.sh
prepare "${PYTHON:-/usr/bin/python3}"
needs "dpkg-dev python3 gzip" dpkg-deb "$python" gzip
needs_libraries
maintainer="${DEBFULLNAME:-cgshim maintainers} <${DEBEMAIL:-cgshim@users.noreply.github.com}>"
doc=$stage/usr/share/doc/cgshim

debian_documents() {
    rm -f "$doc/LICENSE" # copyright has it
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

programs usr/ '#!/usr/bin/python3 -I'
put 755 packaging/entries.sh usr/lib/cgshim/entries.sh
manuals
units
completion bash usr/share/bash-completion/completions/cgshimctl
completion zsh usr/share/zsh/vendor-completions/_cgshimctl
completion fish usr/share/fish/vendor_completions.d/cgshimctl.fish
documents usr/share/doc/cgshim
debian_documents
control
settle
dpkg-deb --root-owner-group -Zxz --build "$stage" "$target/cgshim_${version}_all.deb" >&2
echo "$target/cgshim_${version}_all.deb"
