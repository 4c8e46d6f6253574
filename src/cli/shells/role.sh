
# What is exported has come from another process: it is no way back of this shell's, and nothing to run.
case $(export -p) in *' __rolecall_back='*) unset __rolecall_back ;; esac

# An alias of this name would be expanded in place of the function, and by some shells in its definition.
unalias role 2>/dev/null || :

# Switches this shell: `role NAME`; says where it is: `role`; goes back to what was before: `role -`.
__DEFINE__ {
    if [ "$#" -gt 1 ]; then
        printf 'role: one name at a time\nhint: `role NAME`, `role` or `role -`\n' >&2
        return 2
    fi
    case "${1-}" in
    '') command rolecall prompt --long ;;
    - | --off)
        if [ -z "${__rolecall_back+x}" ]; then
            printf 'role: this shell has not been switched by `role`\nhint: `exit` leaves a shell that `rolecall shell` has opened\n' >&2
            return 1
        fi
        eval "$__rolecall_back"
        unset __rolecall_back
        ;;
    -*)
        printf 'role NAME   switches this shell\nrole        says where it is\nrole -      goes back to what was before\n'
        ;;
    *)
        # By exec, so that what started rolecall is this shell: its end is the end of what it was given.
        local script flags code
        flags=$-
        # Where all is exported, the way back would be too, with whatever keys the person had before.
        set +a
        script=$(exec rolecall shell-variables --shell __SHELL__ -- "$1") && eval "$script"
        code=$?
        case $flags in *a*) set -a ;; esac
        return "$code"
        ;;
    esac
}
