
# The names that there are, from the agent; whatever is no name is for the function above.
_rolecall() {
    local answer
    local -a names typed
    typed=("${(@)words[2,CURRENT]}")
    # What stands behind the cursor in its word is no part of what is looked for.
    typed[-1]=$PREFIX
    [[ $words[1] == role ]] && typed=(get "${(@)typed}")
    if answer=$(command rolecall complete-names -- "${(@)typed}" 2>/dev/null); then
        names=(${(f)answer})
        compadd -a names
    elif [[ $words[1] == role ]]; then
        return 1
    else
        _rolecall_described "$@"
    fi
}
