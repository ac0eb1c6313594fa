#!/bin/sh
{ # cgshim launcher
# What it does is told below, in the second group: comments cost time where every call reads them.

# An exported SHELLOPTS would make bash stop at the first false test, or not expand the path of the package.
set +ef

# Is $1 a container's id? cgshim_made: who made it, "runc", "crun" or, under different roots, both.
cgshim_maker() {
    case $1 in -* | */* | .* | '') return 1 ;; esac
    cgshim_made=''
    if [ -n "$cgshim_root" ]; then
        if [ -e "$cgshim_root/$1/state.json" ]; then cgshim_made=runc
        elif [ -e "$cgshim_root/$1/status" ]; then cgshim_made=crun; fi
    else
        for cgshim_directory in ${XDG_RUNTIME_DIR:+"$XDG_RUNTIME_DIR"} /run; do
            [ ! -e "$cgshim_directory/runc/$1/state.json" ] || cgshim_made=${cgshim_made}runc
            [ ! -e "$cgshim_directory/crun/$1/status" ] || cgshim_made=${cgshim_made}crun
        done
    fi
    [ -n "$cgshim_made" ]
}

# Names stand without their dashes: Go takes -root for --root. A test compares the tables with those of shim/call/flags.py.
cgshim_state=global cgshim_command='' cgshim_route=runtime cgshim_log='' cgshim_log_format=text
cgshim_root='' cgshim_made='' cgshim_before=''
cgshim_valued=' cgroup-manager log-format log-level rootless' cgshim_boolean=' debug systemd-cgroup'
for cgshim_word do
    cgshim_before=$cgshim_before.
    case $cgshim_state in
    value) cgshim_state=global; continue ;;
    root) cgshim_root=$cgshim_word cgshim_state=global; continue ;;
    log) cgshim_log=$cgshim_word cgshim_state=global; continue ;;
    log-format) cgshim_log_format=$cgshim_word cgshim_state=global; continue ;;
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
        root=*) cgshim_root=${cgshim_word#*=} ;;
        *=*) ;;
        # table: global flags with a value
        log|log-format|log-level|root|criu|rootless|cgroup-manager)
            cgshim_state=value
            case $cgshim_word in log|log-format|root) cgshim_state=$cgshim_word ;; esac
            ;;
        # table: global flags without a value
        debug|systemd-cgroup) ;;
        *)
            # crun takes any beginning of a name; help, version or a flag from the future the runtime knows best.
            case "$cgshim_valued" in
            *" $cgshim_word"*) cgshim_state=value ;;
            *) case "$cgshim_boolean" in *" $cgshim_word"*) ;; *) break ;; esac ;;
            esac
            ;;
        esac
        ;;
    operand)
        case $cgshim_word in
        create|run|restore|update|checkpoint)
            cgshim_command=$cgshim_word cgshim_route=python; break ;;
        delete) cgshim_state=delete ;;
        *) cgshim_state=other ;;
        esac
        ;;
    delete) # crun takes such a word for an id, and removes what it leads to; with --regex it only compares
        case $cgshim_word in
        -r* | --r*) cgshim_state=other cgshim_route=runtime ;;
        -*) ;;
        */* | . | .. | '') cgshim_route=unfit ;;
        *) ! cgshim_maker "$cgshim_word" || break ;;
        esac
        ;;
    other) ! cgshim_maker "$cgshim_word" || break ;;
    esac
done

# Can $1 take the place of this program? What may be a copy of it is for the second group.
cgshim_is_usable() {
    # shellcheck disable=SC3013 # dash, bash, ksh and busybox have -ef, and POSIX.1-2024 does, too.
    case $1 in */cgshim*) return 1 ;; /*) [ -f "$1" ] && [ -x "$1" ] && ! [ "$1" -ef "$0" ] ;; *) return 1 ;; esac
}

# Sets cgshim_found to the first of the runtimes $@ there is, "" if there is none.
cgshim_search() {
    for cgshim_name do
        for cgshim_directory in /usr/local/sbin /usr/local/bin /usr/sbin /usr/bin /sbin /bin \
            /usr/lib/cri-o-runc/sbin /usr/libexec/crio; do
            cgshim_found=$cgshim_directory/$cgshim_name
            ! cgshim_is_usable "$cgshim_found" || { cgshim_usable=$cgshim_found; return; }
        done
    done
    cgshim_found=''
}

cgshim_settings=${CGSHIM_CONFIG:-/etc/cgshim/config.json} cgshim_found=${CGSHIM_RUNTIME:-}
cgshim_entry=${0##*/} cgshim_usable=none
case $cgshim_entry in cgshim-?*) cgshim_entry=${cgshim_entry#cgshim-} ;; *) cgshim_entry='' ;; esac
cgshim_file=${cgshim_settings%/*}/runtimes/$cgshim_entry

# The way of nearly every call.
if [ "$cgshim_route" = runtime ]; then
    case ${cgshim_found:+given}:$cgshim_entry:${0##*/} in
    given:*) cgshim_made='' ;;
    *:runc | *:crun) ;;
    ::*) [ -e "$cgshim_settings" ] || cgshim_search runc crun ;;
    *) if [ -e "$cgshim_file" ]; then { IFS= read -r cgshim_found <"$cgshim_file"; } 2>/dev/null
        else case $cgshim_entry in runc | crun) cgshim_search "$cgshim_entry" ;; esac; fi ;;
    esac
    case $cgshim_made:${cgshim_found##*/} in
    *: | runc:*crun* | crun:*runc*) ;;
    *)
        [ "$cgshim_found" = "$cgshim_usable" ] || cgshim_is_usable "$cgshim_found" && case $cgshim_found in
        *crun*) [ -w /sys/fs/cgroup/unified/cgroup.procs ] || exec "$cgshim_found" "$@" ;;
        *) exec "$cgshim_found" "$@" ;;
        esac
        ;;
    esac
fi

trap 'echo "cgshim: the launcher $0 is incomplete: install cgshim again" >&2; exit 1' EXIT
}
{
trap - EXIT

# Decides what a call is and becomes either the real runtime or Python. It is started for every OCI command of every
# container, so it uses shell builtins only: the pass-through path starts no process and the way to Python at most one
# (readlink, when a symbolic link leads here).
#
#   create run restore update checkpoint    -> python -BIS, shim.call.entry (unless they only ask for help)
#   anything else, and what it cannot read  -> exec the real runtime with the arguments as they came
#
# The name that it is called by is the entry, and the entry has a runtime:
#   cgshim-NAME   the path in /etc/cgshim/runtimes/NAME; without that file the runc or crun of the standard directories
#   any other     the settings' "runtime"; without one the first of runc and crun in the standard directories
# A container that exists goes to the runtime that made it, told by its state: runc keeps state.json, crun status.
#
# Environment: CGSHIM_RUNTIME (absolute path of the real runtime, whatever the entry), CGSHIM_CONFIG (settings file
# instead of /etc/cgshim/config.json; `runtimes` is beside it), CGSHIM_PYTHON (absolute path of the interpreter).
#
# Python gets, in sys.argv[1:], three things in front of the runtime's own arguments, the first of which (the directory
# that contains the package) is taken off before shim.call.entry is imported:
#   runtime       path from CGSHIM_RUNTIME, the entry or the settings, as written there; else the one found; "" if there
#                 is none
#   caller state  lines. "PIPE", "XFSZ" or "PIPE XFSZ" first, if the caller ignores these signals, which Python does in
#                 any case. Then "LD_LIBRARY_PATH=value" and "LD_PRELOAD=value", those that were set, in this order. An
#                 engine sets them for its own libraries: the interpreter must not see them, the real runtime must.
#
# The file is two brace groups, because the shell runs a script as it reads it: a group is read to its end before it
# runs, so that a truncated file is a syntax error and never a success without a container. The first group is all that
# most calls that are passed through need; the second is not even read then.
#
# Known limits, all of the shell's making: dash exports PWD, resets IFS where the caller exported it, drops environment
# entries whose names are not shell names, stops ignoring SIGCHLD, and says "getcwd() failed" on stderr if the working
# directory is gone.
# Every variable here starts with cgshim_, so that none can overwrite an exported one that the runtime needs.

# Sets cgshim_route to "runtime" if the intercepted command in $@ only asks for help.
cgshim_look_for_help() {
    while [ -n "$cgshim_before" ]; do cgshim_before=${cgshim_before#.}; shift; done
    for cgshim_word do
        case $cgshim_state in value) cgshim_state=behind; continue ;; esac
        # Only help that every runtime would read as help counts: a flag's value may be called --help, too, and a
        # container created behind our back would lose its limits silently.
        case $cgshim_word in
        --help|-help|--h|-h|--usage|-\?) cgshim_route=runtime; return ;;
        --) return ;;
        -*=*) continue ;;
        --*) cgshim_word=${cgshim_word#--} ;;
        -?*) cgshim_word=${cgshim_word#-} ;;
        *)
            # crun stops at the id, and its checkpoint and restore ignore one word more.
            case $cgshim_command in restore|checkpoint) return ;; esac
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
            cgshim_state=value ;;
        # table: command flags without a value
        d|detach|keep|no-pivot|no-new-keyring|no-subreaper|tcp-established|tcp-close|tcp-skip-in-flight|ext-unix-sk|\
        shell-job|file-locks|auto-dedup|lazy-pages|leave-running|link-remap|pre-dump) ;;
        *) return ;;
        esac
    done
}
cgshim_state=behind
[ "$cgshim_route" = runtime ] || cgshim_look_for_help "$@"

# ---------------------------------------------------------------- which runtime, where it is not plain?

# Is $1 this very file, under whatever name?
cgshim_is_self() {
    # shellcheck disable=SC3013
    [ "$1" -ef "$0" ]
}

# Is $1 another copy of this file? Costs a system call for each byte of its first line, a thousand of a program's.
cgshim_is_copy() {
    cgshim_line=''
    { IFS= read -r cgshim_line && [ "$cgshim_line" = '#!/bin/sh' ] && IFS= read -r cgshim_line; } <"$1" 2>/dev/null
    case $cgshim_line in '{ # cgshim launcher' | '# cgshim launcher') ;; *) return 1 ;; esac
}

# Is $1 a program that can take the place of this one? A copy of this file under another name than cgshim may pass: it
# will find itself in the same settings, and search.
cgshim_is_usable() {
    case $1 in /*) [ -f "$1" ] && [ -x "$1" ] && ! cgshim_is_self "$1" || return 1 ;; *) return 1 ;; esac
    case $cgshim_back:${1##*/} in yes:* | *:cgshim*) ! cgshim_is_copy "$1" ;; esac
}

# cgshim_back: the search must not take a copy. Two that are both called runc would find each other forever, and so
# would two of which the settings name one; one under any other name is never found.
cgshim_back=no
case ${0##*/} in runc | crun) cgshim_back=yes ;; esac

# Sets cgshim_found to the runtime of the entry $1, "" if it has none.
cgshim_of_entry() {
    cgshim_found=''
    if [ -e "${cgshim_settings%/*}/runtimes/$1" ]; then
        { IFS= read -r cgshim_found <"${cgshim_settings%/*}/runtimes/$1"; } 2>/dev/null
    else
        case $1 in runc | crun) cgshim_search "$1" ;; esac
    fi
}

# Where the container is another runtime's than the entry's: sets cgshim_found to the one that made it.
cgshim_by_maker() {
    case $cgshim_made:${cgshim_found##*/} in
    runc:*crun*) cgshim_name=runc ;;
    crun:*runc*) cgshim_name=crun ;;
    *) return ;;
    esac
    cgshim_other=$cgshim_found
    cgshim_of_entry "$cgshim_name"
    cgshim_is_usable "$cgshim_found" || cgshim_found=$cgshim_other
}

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

# Sets cgshim_found to the settings' "runtime" and cgshim_hybrid to their "crun_on_hybrid", "" without one. The settings
# are one JSON object without arrays or objects in it; this stops at any other text, and Python says what is wrong.
cgshim_configured() {
    cgshim_found='' cgshim_hybrid=''
    cgshim_read "$cgshim_settings"
    while :; do
        case $cgshim_text in *\"*\"*\"*) ;; *) break ;; esac
        cgshim_rest=${cgshim_text#*\"}
        cgshim_key=${cgshim_rest%%\"*}
        cgshim_text=${cgshim_rest#*\"}
        cgshim_gap=${cgshim_text%%\"*}
        case $cgshim_gap in
        *[\{\[]*) break ;;
        *[!:[:space:]]*) continue ;; # the value is not a string
        esac
        cgshim_rest=${cgshim_text#*\"}
        cgshim_value=${cgshim_rest%%\"*}
        case $cgshim_value in *\\*) break ;; esac # an escape, perhaps of a quote: nothing that a path needs
        case $cgshim_key in
        runtime) cgshim_found=$cgshim_value ;;
        crun_on_hybrid) cgshim_hybrid=$cgshim_value ;;
        esac
        case $cgshim_rest in *\"*) cgshim_text=${cgshim_rest#*\"} ;; *) break ;; esac
    done
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

case $cgshim_route in
unfit)
    cgshim_fail 1 "cgshim: delete: crun would remove the directory to which this container's id leads; give an id as the\
 subcommand list shows it [bad-container-id]"
    ;;
esac

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

# Sets cgshim_found to the runtime that CGSHIM_RUNTIME, the entry or the settings name, "" if they name none.
cgshim_named() {
    cgshim_found=${CGSHIM_RUNTIME:-}
    [ -z "$cgshim_found" ] || return
    if [ -n "$cgshim_entry" ]; then cgshim_of_entry "$cgshim_entry"; else cgshim_configured; fi
}

if [ "$cgshim_route" = runtime ]; then
    # Whatever is wrong with our own configuration, a container must still be stopped and deleted. But what leads back
    # to cgshim is not followed any further, and the search takes no copy: else there could be no end to it.
    cgshim_named
    cgshim_cause='neither CGSHIM_RUNTIME nor the settings name a usable one'
    if [ -n "$cgshim_found" ] && cgshim_is_self "$cgshim_found"; then
        cgshim_back=yes cgshim_cause="$cgshim_found, which CGSHIM_RUNTIME or the settings name, is cgshim itself"
    fi
    if ! cgshim_is_usable "$cgshim_found"; then
        case $cgshim_entry:$cgshim_back in
        :no) cgshim_configured ;;
        esac
        cgshim_is_usable "$cgshim_found" || case $cgshim_entry in
        *crun*) cgshim_search crun runc ;;
        *) cgshim_search runc crun ;;
        esac
    fi
    [ -n "${CGSHIM_RUNTIME:-}" ] || [ -z "$cgshim_made" ] || cgshim_by_maker
    [ -z "$cgshim_found" ] || cgshim_exec "$@"
    cgshim_fail 127 "cgshim: no OCI runtime to hand this call to [no-runtime]
  cause: $cgshim_cause, and no runc or crun is in the standard directories
  evidence: CGSHIM_RUNTIME is '${CGSHIM_RUNTIME:-}'; settings file: $cgshim_settings
  remedy: install runc or crun, or set \"runtime\" in the settings file to its absolute path"
fi

# ---------------------------------------------------------------- hand over to Python

cgshim_named
if [ -z "$cgshim_found" ]; then
    case $cgshim_entry in
    '') cgshim_search runc crun ;;
    *) cgshim_found=${cgshim_settings%/*}/runtimes/$cgshim_entry ;; # Python says that it is not there
    esac
fi
case $cgshim_command:${CGSHIM_RUNTIME:+given} in
update: | checkpoint:)
    for cgshim_word do
        ! cgshim_maker "$cgshim_word" || break
    done
    cgshim_by_maker
    ;;
esac
cgshim_runtime=$cgshim_found

# A signal that was ignored when the shell started cannot be trapped, and sending it does nothing.
cgshim_ignored='PIPE XFSZ'
trap 'cgshim_ignored=${cgshim_ignored#PIPE}' PIPE
trap 'cgshim_ignored=${cgshim_ignored%XFSZ}' XFSZ
kill -PIPE $$
kill -XFSZ $$
trap - PIPE XFSZ
case $cgshim_ignored in ' ') cgshim_ignored='' ;; esac

cgshim_loader=$cgshim_ignored
[ -z "${LD_LIBRARY_PATH+set}" ] ||
    cgshim_loader=$cgshim_loader${cgshim_loader:+$cgshim_newline}LD_LIBRARY_PATH=$LD_LIBRARY_PATH
[ -z "${LD_PRELOAD+set}" ] || cgshim_loader=$cgshim_loader${cgshim_loader:+$cgshim_newline}LD_PRELOAD=$LD_PRELOAD
unset LD_LIBRARY_PATH LD_PRELOAD

# Sets cgshim_self to the path of this file without symbolic links; asks readlink only if there is one in it.
cgshim_resolve() {
    cgshim_self=$0
    case $cgshim_self in /*) ;; *) cgshim_self=${PWD%/}/$cgshim_self ;; esac
    # shellcheck disable=SC3013
    case $cgshim_self in
    */cgshim-*) ! [ "${cgshim_self%/*}/cgshim" -ef "$cgshim_self" ] || cgshim_self=${cgshim_self%/*}/cgshim ;;
    esac
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

# Sets cgshim_parent to the directory that contains the package and cgshim_python to the interpreter for it: the one that
# the installer has chosen, else the prefix's own (a virtual environment's), else the host's.
cgshim_locate() {
    cgshim_directory=${cgshim_self%/*}
    cgshim_prefix=${cgshim_directory%/*}
    cgshim_parent=$cgshim_prefix
    [ -f "$cgshim_directory/call/entry.py" ] || cgshim_parent=$cgshim_prefix/lib/cgshim
    for cgshim_python in "$cgshim_parent/python" "$cgshim_prefix/bin/python3" /usr/bin/python3 /usr/local/sbin/python3 \
        /usr/local/bin/python3 /usr/sbin/python3 /sbin/python3 /bin/python3; do
        [ -f "$cgshim_python" ] && [ -x "$cgshim_python" ] && return
    done
    cgshim_python=''
}

cgshim_resolve
cgshim_locate
if [ ! -f "$cgshim_parent/shim/call/entry.py" ]; then
    cgshim_fail 1 "cgshim: the Python package that belongs to $cgshim_self is missing [no-package]
  cause: '$cgshim_command' needs it, and neither the launcher's directory nor $cgshim_parent has it
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
# -B: a call writes no code. Ctrl-C ends the process without a traceback from the first line on. -X utf8: the same file names under every locale, and no locale's tables are read.
# The code comes from one file (shim/start/archive.py says what is in it), or where that does not fit from the import system.
# What stands here is compiled at every call, so it is as short as can be; hooks/cgshim-hook has the same.
exec "$cgshim_python" -BIS -X utf8 -c 'import _frozen_importlib_external, _imp, _signal, gc, marshal, posix, sys
if _signal.getsignal(2) is _signal.default_int_handler: _signal.signal(2, 0)
gc.disable()
sys.path.insert(0, sys.argv.pop(1))
try:
    file = posix.open(sys.path[0] + "/shim/__pycache__/hot." + sys.implementation.cache_tag + ".bin", posix.O_CLOEXEC)
    head, own = posix.read(file, 32), posix.fstat(file)
    core = posix.read(file, int(head[12:]))
    if own[0] != 33188 or own[4] not in (0, posix.stat(sys.path[0])[4]): raise OSError
    if head[:12] != _frozen_importlib_external.MAGIC_NUMBER + _imp.source_hash(own[6], core): raise OSError
    code, *content = marshal.loads(core)
    archive = type(sys)("shim.start.archive")
    exec(code, archive.__dict__)
    archive.fitting = archive.opened(sys.path[0], file, content)
except Exception:
    from shim.start import archive
archive.main("shim.call.entry")' "$cgshim_parent" "$cgshim_runtime" "$cgshim_loader" "$@"
}
