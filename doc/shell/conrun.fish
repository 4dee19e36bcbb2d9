# SPDX-License-Identifier: MIT
#
# Completion of conrun's command line for fish.

complete -c conrun -s e -x -d 'run a piece of code'
complete -c conrun -s l -x -d 'require a module'
complete -c conrun -s i -d 'be interactive after everything else'
complete -c conrun -s v -d 'print the version of Lua'
complete -c conrun -s E -d 'ignore the environment'
complete -c conrun -s W -d 'turn warnings on'
complete -c conrun -l workers -x -d 'size of a pool that is given none'
complete -c conrun -l seed -x -d 'random numbers that repeat'
complete -c conrun -l schedule -x -d 'run one strand at a time, as this word decides'
complete -c conrun -l memory-limit -x -d 'at most so much shared memory'
complete -c conrun -l on-deadlock -x -a 'error report off' -d 'what is done about a deadlock'
complete -c conrun -l unasked -x -a 'report off' -d 'tasks that failed and nobody asked about'
complete -c conrun -l trace -r -d 'write what every strand did'
complete -c conrun -l trace-size -x -d 'memory for the trace'
complete -c conrun -l color -x -a 'auto always never' -d 'when colours are used'
complete -c conrun -l audit -d 'say what is left in shared memory'
complete -c conrun -l examples -d 'list the scripts that come with conrun'
complete -c conrun -l example -x -d 'run one of them' \
  -a '(conrun --examples 2>/dev/null | string replace -rf "^  (\S+) .*" "\$1")'
complete -c conrun -l version -d 'print the version of conrun'
complete -c conrun -l help -d 'print help, or with =NAME what the reference says'
