
# The names that there are, from the agent.
function __rolecall_names
    set -l words (commandline -opc) (commandline -ct)
    test "$words[1]" = role; and set words role get $words[2..-1]
    command rolecall complete-names -- $words[2..-1] 2>/dev/null
end

complete -c rolecall -n '__rolecall_names >/dev/null' -f -a '(__rolecall_names)'
complete -c role -f -a '(__rolecall_names)'
