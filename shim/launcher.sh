#!/bin/sh
# cgshim launcher
#
# Decides what a call is and becomes either the real runtime or Python. It is started for every OCI command of every
# container, so it uses shell builtins only: the pass-through path starts no process and the way to Python at most one
# (readlink, when a symbolic link leads here).
#
#   create run restore update checkpoint    -> python -IS, shim.call.entry (unless they only ask for help)
#   anything else, and what it cannot read  -> exec the real runtime with the arguments as they came
#
# Environment: CGSHIM_RUNTIME (absolute path of the real runtime), CGSHIM_CONFIG (settings file instead of
# /etc/cgshim/config.json), CGSHIM_PYTHON (absolute path of the interpreter).
#
# Python gets, in sys.argv[1:], three things in front of the runtime's own arguments, the first of which (the directory
# that contains the package) is taken off before shim.call.entry is imported:
#   runtime        path from CGSHIM_RUNTIME or the settings, as written there; else the one found; "" if there is none
#   loader state   "LD_LIBRARY_PATH=value" and "LD_PRELOAD=value", those that were set, in this order, separated by a
#                  newline; "" if none was. An engine sets them for its own libraries: the interpreter must not see
#                  them, the real runtime must.
#
# Known limits, all of the shell's making: dash exports PWD, resets IFS where the caller exported it, drops environment
# entries whose names are not shell names, and says "getcwd() failed" on stderr if the working directory is gone.
# Every variable here starts with cgshim_, so that none can overwrite an exported one that the runtime needs.

# An exported SHELLOPTS would make bash stop at the first false test, or not expand the path of the package.
set +ef

# ---------------------------------------------------------------- what is this call?

# Names stand without their dashes: Go's flag parser, which runc uses, takes -root for --root.
# tests/start/test_launcher.py compares the four tables with those of shim/call/argv.py.
cgshim_state=global cgshim_command='' cgshim_route=runtime cgshim_log='' cgshim_log_format=text
for cgshim_word do
    case $cgshim_state in
    value) cgshim_state=global; continue ;;
    log) cgshim_log=$cgshim_word cgshim_state=global; continue ;;
    log-format) cgshim_log_format=$cgshim_word cgshim_state=global; continue ;;
    skip) cgshim_state=behind; continue ;;
    global)
        case $cgshim_word in
        --) cgshim_state=operand; continue ;;
        --*) cgshim_word=${cgshim_word#--} ;;
        -?*) cgshim_word=${cgshim_word#-} ;;
        *) cgshim_state=operand ;;
        esac
        ;;
    esac

    case $cgshim_state in
    global)
        case $cgshim_word in
        log=*) cgshim_log=${cgshim_word#*=} ;;
        log-format=*) cgshim_log_format=${cgshim_word#*=} ;;
        *=*) ;;
        # table: global flags with a value
        log|log-format|log-level|root|criu|rootless|cgroup-manager)
            cgshim_state=value
            case $cgshim_word in log|log-format) cgshim_state=$cgshim_word ;; esac
            ;;
        # table: global flags without a value
        debug|systemd-cgroup) ;;
        *) break ;; # help, version, an abbreviation, a flag from the future: the runtime knows best
        esac
        ;;
    operand)
        case $cgshim_word in
        create|run|restore|update|checkpoint)
            cgshim_command=$cgshim_word cgshim_route=python cgshim_state=behind ;;
        *) break ;;
        esac
        ;;
    behind)
        # Only help that every runtime would read as help counts: a flag's value may be called --help, too, and a
        # container created behind our back would lose its limits silently.
        case $cgshim_word in
        --help|-help|--h|-h|--usage|-\?) cgshim_route=runtime; break ;;
        --) break ;;
        -*=*) continue ;;
        --*) cgshim_word=${cgshim_word#--} ;;
        -?*) cgshim_word=${cgshim_word#-} ;;
        *)
            # crun stops at the id, and its checkpoint and restore ignore one word more.
            case $cgshim_command in restore|checkpoint) break ;; esac
            continue
            ;;
        esac
        case $cgshim_word in
        # table: command flags with a value
        b|bundle|console-socket|pidfd-socket|pid-file|preserve-fds|f|config|\
        image-path|work-path|parent-path|manage-cgroups-mode|empty-ns|lsm-profile|lsm-mount-context|network-lock|\
        status-fd|page-server|r|resources|blkio-weight|cpu-period|cpu-quota|cpu-burst|cpu-share|cpu-rt-period|\
        cpu-rt-runtime|cpu-idle|cpuset-cpus|cpuset-mems|kernel-memory|kernel-memory-tcp|memory|memory-reservation|\
        memory-swap|pids-limit|l3-cache-schema|mem-bw-schema)
            cgshim_state=skip ;;
        # table: command flags without a value
        d|detach|keep|no-pivot|no-new-keyring|no-subreaper|tcp-established|tcp-close|tcp-skip-in-flight|ext-unix-sk|\
        shell-job|file-locks|auto-dedup|lazy-pages|leave-running|link-remap|pre-dump) ;;
        *) break ;;
        esac
        ;;
    esac
done

# ---------------------------------------------------------------- which runtime?

# Is $1 this very file, under whatever name?
cgshim_is_self() {
    # shellcheck disable=SC3013 # dash, bash, ksh and busybox have -ef, and POSIX.1-2024 does, too.
    [ "$1" -ef "$0" ]
}

# Is $1 another copy of this file? Two copies that are both called runc would find each other for ever; a copy under
# any other name is never found by the search, so only then is it worth the reads.
cgshim_is_copy() {
    case ${0##*/} in runc|crun) ;; *) return 1 ;; esac
    cgshim_line=''
    { IFS= read -r cgshim_line && [ "$cgshim_line" = '#!/bin/sh' ] && IFS= read -r cgshim_line; } <"$1" 2>/dev/null
    [ "$cgshim_line" = '# cgshim launcher' ]
}

# Can $1 be executed in place of this file?
cgshim_is_usable() {
    case $1 in /*) ;; *) return 1 ;; esac
    [ -f "$1" ] && [ -x "$1" ] && ! cgshim_is_self "$1"
}

# Sets cgshim_found to the first runtime installed, "" if there is none.
cgshim_search() {
    for cgshim_name in runc crun; do
        for cgshim_directory in /usr/local/sbin /usr/local/bin /usr/sbin /usr/bin /sbin /bin \
            /usr/lib/cri-o-runc/sbin /usr/libexec/crio; do
            cgshim_found=$cgshim_directory/$cgshim_name
            cgshim_is_usable "$cgshim_found" && ! cgshim_is_copy "$cgshim_found" && return
        done
    done
    cgshim_found=''
}

# The way of nearly every call. The shell reads a script as it goes, so for these nothing below is even parsed.
if [ "$cgshim_route" = runtime ]; then
    cgshim_found=${CGSHIM_RUNTIME:-}
    if ! cgshim_is_usable "$cgshim_found"; then
        if [ -e "${CGSHIM_CONFIG:-/etc/cgshim/config.json}" ]; then cgshim_found=''; else cgshim_search; fi
    fi
    case $cgshim_found in
    '' | *crun*) ;; # the settings have a word in it, or there is no runtime: below
    *) exec "$cgshim_found" "$@" ;;
    esac
fi

cgshim_newline='
'

# Sets cgshim_text to the content of the file $1, "" unless it is a readable regular file.
cgshim_read() {
    cgshim_text=''
    [ -f "$1" ] && [ -r "$1" ] || return
    {
        while IFS= read -r cgshim_line || [ -n "$cgshim_line" ]; do
            cgshim_text=$cgshim_text$cgshim_line$cgshim_newline
        done <"$1"
    } 2>/dev/null
}

# Takes the next string off cgshim_text. Sets cgshim_gap to what stands before it, without white space, cgshim_string to
# what is between the quotes, escapes as written, and cgshim_depth to the nesting the string is at. False at the end.
cgshim_next_string() {
    cgshim_gap=${cgshim_text%%\"*}
    cgshim_ended=no
    case $cgshim_text in
    *\"*) cgshim_text=${cgshim_text#*\"} ;;
    *) cgshim_ended=yes cgshim_text='' ;;
    esac
    while :; do
        case $cgshim_gap in
        *[[:space:]]*) cgshim_gap=${cgshim_gap%%[[:space:]]*}${cgshim_gap#*[[:space:]]} ;;
        *) break ;;
        esac
    done
    cgshim_rest=$cgshim_gap
    while [ -n "$cgshim_rest" ]; do
        case $cgshim_rest in
        '{'* | '['*) cgshim_depth=$((cgshim_depth + 1)) ;;
        '}'* | ']'*) cgshim_depth=$((cgshim_depth - 1)) ;;
        esac
        cgshim_rest=${cgshim_rest#?}
    done
    [ "$cgshim_ended" = no ] || return 1
    cgshim_string=''
    while :; do
        cgshim_rest=${cgshim_text%%\"*}
        case $cgshim_text in
        *\"*) cgshim_text=${cgshim_text#*\"} ;;
        *) cgshim_depth=-1; return 1 ;; # a string without an end: not a document
        esac
        cgshim_string=$cgshim_string$cgshim_rest
        # The quote is escaped if an odd number of backslashes stands before it.
        cgshim_odd=no
        while :; do
            case $cgshim_rest in
            *\\\\) cgshim_rest=${cgshim_rest%\\\\} ;;
            *\\) cgshim_odd=yes; break ;;
            *) break ;;
            esac
        done
        [ "$cgshim_odd" = yes ] || return 0
        cgshim_string=$cgshim_string\"
    done
}

# Sets cgshim_found to the top-level string "runtime" of the settings file, "" if it has none that is an absolute path
# without escapes, or is not a JSON object, and cgshim_hybrid to "crun_on_hybrid". Python reads the file again and
# reports what is wrong with it.
cgshim_configured() {
    cgshim_found='' cgshim_hybrid='' cgshim_key='' cgshim_depth=0 cgshim_start=yes
    cgshim_read "${CGSHIM_CONFIG:-/etc/cgshim/config.json}"
    [ -n "$cgshim_text" ] || return
    while cgshim_next_string; do
        if [ "$cgshim_start" = yes ]; then
            [ "$cgshim_gap" = '{' ] || return
            cgshim_start=no
        fi
        case $cgshim_depth:$cgshim_key:$cgshim_gap in
        1:runtime::) cgshim_found=$cgshim_string cgshim_key='' ;;
        1:crun_on_hybrid::) cgshim_hybrid=$cgshim_string cgshim_key='' ;;
        1:*'{' | 1:*,)
            cgshim_key=$cgshim_string
            # As in any JSON reader the last of several equal keys counts.
            case $cgshim_key in runtime) cgshim_found='' ;; crun_on_hybrid) cgshim_hybrid='' ;; esac
            ;;
        *) cgshim_key='' ;;
        esac
    done
    case $cgshim_depth:$cgshim_gap in 0:*'}') ;; *) cgshim_hybrid='' ;; esac
    case $cgshim_depth:$cgshim_gap:$cgshim_found in
    0:*'}':*\\*) cgshim_found='' ;;
    0:*'}':/*) ;;
    *) cgshim_found='' ;;
    esac
}

# ---------------------------------------------------------------- what if it cannot go on?

# Sets cgshim_escaped to $1 as it stands between the quotes of a JSON string.
cgshim_escape() {
    cgshim_rest=$1 cgshim_escaped=''
    while [ -n "$cgshim_rest" ]; do
        cgshim_tail=${cgshim_rest#?}
        cgshim_head=${cgshim_rest%"$cgshim_tail"}
        case $cgshim_head in
        [\"\\]) cgshim_escaped=$cgshim_escaped\\$cgshim_head ;;
        "$cgshim_newline") cgshim_escaped=$cgshim_escaped'\n' ;;
        [[:cntrl:]]) cgshim_escaped=$cgshim_escaped'?' ;;
        *) cgshim_escaped=$cgshim_escaped$cgshim_head ;;
        esac
        cgshim_rest=$cgshim_tail
    done
}

# Ends with status $1 and the message $2, on stderr and in the file that the caller named with --log: podman and CRI-O
# show the one, containerd and Docker the other.
cgshim_fail() {
    printf '%s\n' "$2" >&2
    cgshim_log=${cgshim_log#file:}
    case $cgshim_log in
    '' | journald:* | syslog:*) exit "$1" ;;
    esac
    cgshim_escape "$2"
    case $cgshim_log_format in
    json) cgshim_record="{\"level\":\"error\",\"msg\":\"$cgshim_escaped\"}" ;;
    *) cgshim_record="level=error msg=\"$cgshim_escaped\"" ;;
    esac
    { printf '%s\n' "$cgshim_record" >>"$cgshim_log"; } 2>/dev/null
    exit "$1"
}

# ---------------------------------------------------------------- pass through

# crun as shim/enforce/private_view.py starts it: without the cgroup2 mount of a hybrid host, if the settings say so.
cgshim_exec() {
    case ${cgshim_found##*/} in
    *crun*)
        if [ -w /sys/fs/cgroup/unified/cgroup.procs ] && [ -x /usr/bin/unshare ] && [ -x /bin/umount ]; then
            cgshim_runtime=$cgshim_found
            cgshim_configured
            cgshim_found=$cgshim_runtime
            # shellcheck disable=SC2016 # the inner shell expands it
            [ "$cgshim_hybrid" != hide-cgroup2 ] || exec /usr/bin/unshare --mount --propagation slave /bin/sh -c \
                '/bin/umount -l /sys/fs/cgroup/unified 2>/dev/null; exec "$@"' sh "$cgshim_found" "$@"
        fi
        ;;
    esac
    exec "$cgshim_found" "$@"
}

if [ "$cgshim_route" = runtime ]; then
    # Whatever is wrong with our own configuration, a container must still be stopped and deleted.
    cgshim_found=${CGSHIM_RUNTIME:-}
    cgshim_is_usable "$cgshim_found" || cgshim_configured
    cgshim_is_usable "$cgshim_found" || cgshim_search
    [ -z "$cgshim_found" ] || cgshim_exec "$@"
    cgshim_fail 127 "cgshim: no OCI runtime to hand this call to [no-runtime]
  cause: neither CGSHIM_RUNTIME nor the settings name a usable one, and no runc or crun is in the standard directories
  evidence: CGSHIM_RUNTIME is '${CGSHIM_RUNTIME:-}'; settings file: ${CGSHIM_CONFIG:-/etc/cgshim/config.json}
  remedy: install runc or crun, or set \"runtime\" in the settings file to its absolute path"
fi

# ---------------------------------------------------------------- hand over to Python

cgshim_runtime=${CGSHIM_RUNTIME:-}
if [ -z "$cgshim_runtime" ]; then
    cgshim_configured
    [ -n "$cgshim_found" ] || cgshim_search
    cgshim_runtime=$cgshim_found
fi

cgshim_loader=''
[ -z "${LD_LIBRARY_PATH+set}" ] || cgshim_loader=LD_LIBRARY_PATH=$LD_LIBRARY_PATH
[ -z "${LD_PRELOAD+set}" ] || cgshim_loader=$cgshim_loader${cgshim_loader:+$cgshim_newline}LD_PRELOAD=$LD_PRELOAD
unset LD_LIBRARY_PATH LD_PRELOAD

# Sets cgshim_self to the path of this file without symbolic links; asks readlink only if there is one in it.
cgshim_resolve() {
    cgshim_self=$0
    case $cgshim_self in /*) ;; *) cgshim_self=${PWD%/}/$cgshim_self ;; esac
    cgshim_rest=$cgshim_self
    while [ -n "$cgshim_rest" ] && [ ! -L "$cgshim_rest" ]; do
        case $cgshim_rest in */. | */..) break ;; esac
        cgshim_rest=${cgshim_rest%/*}
    done
    [ -n "$cgshim_rest" ] || return 0
    for cgshim_found in /usr/bin/readlink /bin/readlink; do
        [ -x "$cgshim_found" ] || continue
        cgshim_found=$("$cgshim_found" -f -- "$cgshim_self" 2>/dev/null) && cgshim_self=$cgshim_found
        return 0
    done
}

# Sets cgshim_python to the interpreter for the package directory $1, and cgshim_exact to whether it is the version
# that the directory belongs to ("yes", "no").
cgshim_interpreter() {
    cgshim_exact=yes cgshim_prefix='' cgshim_name=''
    case $1 in
    */lib/python3*/site-packages | */lib/python3*/dist-packages)
        cgshim_name=${1%/*}
        cgshim_prefix=${cgshim_name%/lib/*}
        cgshim_name=${cgshim_name##*/}
        ;;
    esac
    if [ -n "$cgshim_name" ]; then
        for cgshim_python in "$cgshim_prefix/bin/$cgshim_name" "$cgshim_prefix/bin/python3" \
            "/usr/bin/$cgshim_name" "/usr/local/bin/$cgshim_name"; do
            [ -f "$cgshim_python" ] && [ -x "$cgshim_python" ] && return
        done
    fi
    cgshim_exact=no
    for cgshim_directory in /usr/bin /usr/local/sbin /usr/local/bin /usr/sbin /sbin /bin; do
        cgshim_python=$cgshim_directory/python3
        [ -f "$cgshim_python" ] && [ -x "$cgshim_python" ] && return
    done
    cgshim_python=''
}

# Sets cgshim_parent to the directory that contains the package and cgshim_python to the interpreter for it.
cgshim_locate() {
    cgshim_directory=${cgshim_self%/*}
    cgshim_parent=${cgshim_directory%/*}
    if [ -f "$cgshim_directory/entry.py" ]; then
        cgshim_interpreter "$cgshim_parent"
        return
    fi
    # A package whose own Python is gone may be left over from an upgrade, so it is second choice.
    cgshim_second='' cgshim_second_python='' cgshim_base=$cgshim_parent
    for cgshim_parent in "$cgshim_base"/lib/python3*/site-packages "$cgshim_base"/lib/python3*/dist-packages \
        "$cgshim_base"/local/lib/python3*/dist-packages "$cgshim_base"/share/cgshim "$cgshim_base"/lib/cgshim; do
        [ -f "$cgshim_parent/shim/call/entry.py" ] || continue
        cgshim_interpreter "$cgshim_parent"
        [ "$cgshim_exact" = no ] || return
        [ -n "$cgshim_second" ] || cgshim_second=$cgshim_parent cgshim_second_python=$cgshim_python
    done
    cgshim_parent=$cgshim_second cgshim_python=$cgshim_second_python
}

cgshim_resolve
cgshim_locate
if [ -z "$cgshim_parent" ] || [ ! -f "$cgshim_parent/shim/call/entry.py" ]; then
    cgshim_fail 1 "cgshim: the Python package that belongs to $cgshim_self is missing [no-package]
  cause: '$cgshim_command' needs it, and neither the launcher's directory nor the lib directory beside it has it
  remedy: install cgshim again, or register the real runtime with the engine until then"
fi
if [ -n "${CGSHIM_PYTHON:-}" ]; then
    cgshim_python=$CGSHIM_PYTHON
    case $cgshim_python in
    /*) [ -f "$cgshim_python" ] && [ -x "$cgshim_python" ] || cgshim_python='' ;;
    *) cgshim_python='' ;;
    esac
    [ -n "$cgshim_python" ] || cgshim_fail 1 "cgshim: no usable Python interpreter [no-python]
  cause: CGSHIM_PYTHON is '$CGSHIM_PYTHON', which is not the absolute path of an executable file
  remedy: correct or unset CGSHIM_PYTHON in the environment of the engine"
fi
[ -n "$cgshim_python" ] || cgshim_fail 1 "cgshim: no usable Python interpreter [no-python]
  cause: '$cgshim_command' needs Python 3, and no python3 is in the standard directories
  remedy: install python3, or set CGSHIM_PYTHON to the absolute path of an interpreter"

# -I and -S: neither the engine's environment nor a json.py in the working directory, which is the bundle, may matter.
# -X utf8: the same file names under every locale, and no locale's tables are read.
# The code comes from one file (shim/start/hot.py says what is in it), or where that does not fit from the import system.
# What stands here is compiled at every call, so it is as short as can be; shim/planning/injection.py has the same for hooks.
exec "$cgshim_python" -IS -X utf8 -c 'import marshal, posix, sys
sys.path.insert(0, sys.argv.pop(1))
try:
    file = posix.open(sys.path[0] + "/shim/__pycache__/hot." + sys.implementation.cache_tag + ".bin", posix.O_CLOEXEC)
    exec(marshal.loads(posix.read(file, int(posix.read(file, 256).removeprefix(sys.version.encode())))))
except Exception:
    from shim.start import hot
hot.main("shim.call.entry")' "$cgshim_parent" "$cgshim_runtime" "$cgshim_loader" "$@"
