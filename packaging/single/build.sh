#!/usr/bin/env bash
# Builds cgshim-VERSION.pyz: one file that needs nothing but a Python, for hosts without packages and without a network.
#
#   packaging/single/build.sh [DIRECTORY]    where to put it; default: the current directory. Prints its path.
#
# On the host: `python3 cgshim-VERSION.pyz install [PREFIX]`; every other argument is cgshimctl's.
# It needs an interpreter with pip: PYTHON, default /usr/bin/python3. SOURCE_DATE_EPOCH is the time of its files.
set -eu
cd "$(dirname "$0")/../.."

target=$(cd "${1:-$OLDPWD}" && pwd)
# shellcheck source=packaging/stage.sh
. packaging/stage.sh
prepare "${PYTHON:-/usr/bin/python3}"
needs "python3 python3-pip" "$python"
bundle "$stage/lib/cgshim"
programs "" '#!@PYTHON@ -I'
put 755 packaging/choose_python.sh lib/cgshim/choose_python.sh
put 644 packaging/single/__main__.py __main__.py
settle
"$python" packaging/single/archive.py "$stage" "$target/cgshim-$version.pyz"
echo "$target/cgshim-$version.pyz"
