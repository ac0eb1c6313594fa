#!/bin/sh
# Chooses the interpreter for cgshim: makes the link `python` beside this file, which the launcher and cgshimctl use.
#
#   choose_python.sh [INTERPRETER]    with an argument this one or none
#
# Called at installation; call it again when that interpreter has been removed. Prints what was chosen.
here=$(cd "$(dirname "$0")" && pwd -P) || exit 1
if [ $# = 0 ]; then
    set -- /usr/bin/python3 /usr/libexec/platform-python /usr/local/bin/python3 /run/current-system/sw/bin/python3
    for minor in 13 14 12 11 10 9 8 7; do
        set -- "$@" "/usr/bin/python3.$minor" "/usr/local/bin/python3.$minor"
    done
fi
for python do
    "$python" -ISc 'import sys; sys.exit(sys.version_info < (3, 7))' 2>/dev/null || continue
    ln -sfn "$python" "$here/.python.$$" && mv -fT "$here/.python.$$" "$here/python" || exit 1
    echo "$python"
    exit 0
done
echo "cgshim: no usable Python interpreter [no-python]
  cause: cgshim needs Python 3.7 or newer, and none of these is: $*
  remedy: install one (for instance python39 or python3.11), then run $here/choose_python.sh" >&2
exit 1
