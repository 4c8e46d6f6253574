
# The names that there are, from the agent; whatever is no name is for the function above.
_rolecall_named() {
    local line word list
    # Not COMP_WORDS: bash cuts a name with `:`, `=` or `@` into several of them.
    line=${COMP_LINE:0:COMP_POINT}
    read -r -a list <<<"$line"
    word=
    if [[ $line == *[![:space:]] ]]; then
        word=${list[${#list[@]} - 1]}
    else
        list+=('')
    fi
    if [[ ${list[0]} == role ]]; then
        list=(role get "${list[@]:1}")
    fi
    local names
    if names=$(command rolecall complete-names -- "${list[@]:1}" 2>/dev/null); then
        local IFS=$'\n' cut=''
        # What bash takes for words before the one at the cursor stays as it is typed.
        if [[ $word == *[:=@]* ]]; then
            cut=${word%"${word##*[:=@]}"}
            [[ $COMP_WORDBREAKS == *"${cut: -1}"* ]] || cut=''
        fi
        COMPREPLY=($names)
        COMPREPLY=("${COMPREPLY[@]#"$cut"}")
    elif [[ $1 == rolecall ]]; then
        local at
        for ((at = 2; at < COMP_CWORD; at++)); do
            if [[ ${COMP_WORDS[1]} == exec && ${COMP_WORDS[at]} == -- ]]; then
                if declare -F _command_offset >/dev/null; then
                    _command_offset $((at + 1))
                elif ((COMP_CWORD == at + 1)); then
                    COMPREPLY=($(compgen -c -- "$2"))
                else
                    COMPREPLY=()
                fi
                return
            fi
        done
        _rolecall "$@"
    fi
}

if [[ ${BASH_VERSINFO[0]} -eq 4 && ${BASH_VERSINFO[1]} -ge 4 || ${BASH_VERSINFO[0]} -gt 4 ]]; then
    complete -F _rolecall_named -o nosort -o bashdefault -o default rolecall
else
    complete -F _rolecall_named -o bashdefault -o default rolecall
fi
