#!/usr/bin/env bash
# Builds cgshim-VERSION-1.noarch.rpm, for RHEL and its kin 8 and 9, openEuler, Kylin, SLES; on any of them or on Debian.
#
#   packaging/rpm/build.sh [DIRECTORY]    where to put it; default: the current directory. Prints its path.
#
# It needs rpmbuild (Debian: rpm; else rpm-build) and an interpreter with pip: PYTHON, default /usr/bin/python3. The package
# brings the libraries of cgshimctl along (packaging/bundled.txt), because those of old distributions are too old or absent.
# SOURCE_DATE_EPOCH makes the result reproducible; default: the time of the last entry in CHANGELOG.md.
set -eu
cd "$(dirname "$0")/../.."

target=$(cd "${1:-$OLDPWD}" && pwd)
# shellcheck source=packaging/stage.sh
. packaging/stage.sh
prepare "${PYTHON:-/usr/bin/python3}"
needs "rpm python3 python3-pip gzip" rpmbuild "$python" gzip

bundle "$stage/usr/lib/cgshim"
programs usr/ '#!/usr/lib/cgshim/python -I'
put 755 packaging/entries.sh usr/lib/cgshim/entries.sh
put 755 packaging/choose_python.sh usr/lib/cgshim/choose_python.sh
ln -s /usr/bin/python3 "$stage/usr/lib/cgshim/python"
manuals
units
completion bash usr/share/bash-completion/completions/cgshimctl
completion zsh usr/share/zsh/site-functions/_cgshimctl
completion fish usr/share/fish/vendor_completions.d/cgshimctl.fish
documents usr/share/doc/cgshim
put 644 CHANGELOG.md usr/share/doc/cgshim/CHANGELOG.md
settle

top=$(mktemp -d)
trap 'rm -rf "$stage" "$top"' EXIT
mkdir "$top/SOURCES"
tar --sort=name --owner=0 --group=0 --numeric-owner -C "$stage" -cf "$top/SOURCES/cgshim-$version.tar" usr
sed -e "s/@VERSION@/$version/" \
    -e "s/@DATE@/$(LC_ALL=C date --utc --date "@$SOURCE_DATE_EPOCH" '+%a %b %d %Y')/" \
    -e "s/@BUNDLED@/$(sed -n 's/^\([a-z]*\)==\(.*\)/Provides: bundled(python3-\1) = \2/p' packaging/bundled.txt | sed ':a;N;$!ba;s/\n/\\n/g')/" \
    packaging/rpm/cgshim.spec >"$top/cgshim.spec"
rpmbuild --quiet -bb --define "_topdir $top" --define "_buildhost localhost" \
    --define "use_source_date_epoch_as_buildtime 1" --define "clamp_mtime_to_source_date_epoch 1" "$top/cgshim.spec" >&2
mv "$top/RPMS/noarch/cgshim-$version-1.noarch.rpm" "$target/"
echo "$target/cgshim-$version-1.noarch.rpm"
