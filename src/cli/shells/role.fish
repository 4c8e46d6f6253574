
# What is exported has come from another process: it is no way back of this shell's, and nothing to run.
set -q -g -x __rolecall_back; and set -e -g __rolecall_back

function role -d 'Switch this shell to a role'
    if test (count $argv) -gt 1
        printf 'role: one name at a time\nhint: `role NAME`, `role` or `role -`\n' >&2
        return 2
    end
    switch "$argv"
        case ''
            command rolecall prompt --long
        case - --off
            if not set -q -g __rolecall_back
                printf 'role: this shell has not been switched by `role`\nhint: `exit` leaves a shell that `rolecall shell` has opened\n' >&2
                return 1
            end
            printf '%s\n' $__rolecall_back | source
            set -e -g __rolecall_back
        case '-*'
            printf 'role NAME   switches this shell\nrole        says where it is\nrole -      goes back to what was before\n'
        case '*'
            # One that is exported everywhere cannot be taken out of this shell alone.
            for name in __TOUCHED__
                if set -q -U -x $name
                    printf 'role: %s is a universal variable and stays in every shell\nhint: remove it: `set -e -U %s`\n' $name $name >&2
                    return 3
                end
            end
            set -l script (command rolecall shell-variables --shell fish -- "$argv")
            or return $status
            printf '%s\n' $script | source
    end
end
