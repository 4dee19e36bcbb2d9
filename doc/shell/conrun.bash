# SPDX-License-Identifier: MIT
#
# Completion of conrun's command line for bash.  Options are read from --help and examples
# from --examples, so that nothing here must follow the program.
#
# Bash cuts a word at "=", but a completion is about all of it: so the word before the cursor
# is taken from the line itself, and what is offered is only what follows the "=".

_conrun_after_equals() {
  local choices=$1 typed=$2
  mapfile -t COMPREPLY < <(compgen -W "$choices" -- "$typed")
}

_conrun() {
  local program=$1 line=${COMP_LINE:0:COMP_POINT}
  local word=${line##*[[:space:]]}
  case $word in
    --color=*) _conrun_after_equals "auto always never" "${word#*=}" ;;
    --strategy=*) _conrun_after_equals "exhaustive random pct" "${word#*=}" ;;
    --unasked=*) _conrun_after_equals "report off" "${word#*=}" ;;
    --on-deadlock=*) _conrun_after_equals "error report off" "${word#*=}" ;;
    --example=*)
      _conrun_after_equals "$("$program" --examples 2>/dev/null | sed -n 's/^  \([^ ]*\) .*/\1/p')" "${word#*=}" ;;
    --trace=*)
      compopt -o filenames
      mapfile -t COMPREPLY < <(compgen -f -- "${word#*=}") ;;
    --*=*) COMPREPLY=() ;;
    --*)
      mapfile -t COMPREPLY < <(compgen -W "$("$program" --help 2>/dev/null | grep -oE '^  --[a-z-]+=?' | sort -u)" -- "$word")
      [[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace ;;
    -*) mapfile -t COMPREPLY < <(compgen -W "-e -l -i -v -E -W -" -- "$word") ;;
    *)
      compopt -o filenames
      mapfile -t COMPREPLY < <(compgen -f -X '!*.lua' -- "$word"; compgen -d -- "$word") ;;
  esac
}

complete -F _conrun conrun
