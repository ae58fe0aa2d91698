"""Shells and their completion scripts, where click's are missing or fall short."""

from __future__ import annotations

import os
from typing import Any

from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ShellComplete,
    add_completion_class,
)

# The type of a completion to which more may be added, as to a list with commas.
BEGINNING = "beginning"


@add_completion_class
class OurBashComplete(BashComplete):
    """Completion for bash 4.4 and newer; click's always adds a blank."""

    source_template = """\
%(complete_func)s() {
    local IFS=$'\\n' type value completion response
    response=$(env COMP_WORDS="${COMP_WORDS[*]}" COMP_CWORD=$COMP_CWORD \\
        %(complete_var)s=bash_complete "$1")
    for completion in $response; do
        IFS=',' read -r type value <<< "$completion"
        case $type in
            dir) COMPREPLY=(); compopt -o dirnames ;;
            file) COMPREPLY=(); compopt -o default ;;
            beginning) COMPREPLY+=("$value"); compopt -o nospace 2>/dev/null ;;
            plain) COMPREPLY+=("$value") ;;
        esac
    done
    return 0
}
complete -o nosort -F %(complete_func)s %(prog_name)s
"""


@add_completion_class
class OurFishComplete(FishComplete):
    """Completion for fish; click's cuts values and help at the first comma.

    That of click 8.4.0 and 8.4.1 is not valid fish at all.
    """

    source_template = """\
function %(complete_func)s
    set -l response (env %(complete_var)s=fish_complete \\
        COMP_WORDS=(commandline -cp) COMP_CWORD=(commandline -t) %(prog_name)s)
    for completion in $response
        set -l parts (string split -m 1 , -- $completion)
        switch $parts[1]
            case dir
                __fish_complete_directories $parts[2]
            case file
                __fish_complete_path $parts[2]
            case '*'
                echo $parts[2]
        end
    end
end
complete --no-files --command %(prog_name)s --arguments "(%(complete_func)s)"
"""

    def format_completion(self, item: CompletionItem[Any]) -> str:
        """Format one line of the answer: type, value, a tab and the help."""
        text = (item.help or "").replace("\n", " ").replace("\t", " ")
        return f"{item.type},{item.value}" + (f"\t{text}" if text else "")


@add_completion_class
class PowerShellComplete(ShellComplete):
    """Completion for PowerShell 5.1 and newer, on every system; click lacks it."""

    name = "powershell"
    source_template = """\
Register-ArgumentCompleter -Native -CommandName %(prog_name)s -ScriptBlock {
    param($word, $command, $position)
    $before = $command.CommandElements |
        Where-Object { $_.Extent.StartOffset -lt $position } |
        ForEach-Object { $_.Extent.Text }
    $env:COMP_WORDS = $before -join "`n"
    $env:COMP_WORD = $word
    $env:%(complete_var)s = "powershell_complete"
    try {
        %(prog_name)s | ForEach-Object {
            $value, $help = $_ -split "`t", 2
            if (-not $help) { $help = $value }
            [System.Management.Automation.CompletionResult]::new(
                $value, $value, "ParameterValue", $help)
        }
    } finally {
        Remove-Item Env:COMP_WORDS, Env:COMP_WORD, Env:%(complete_var)s
    }
}
"""

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the arguments before the incomplete one, and the incomplete one."""
        words = os.environ.get("COMP_WORDS", "").split("\n")[1:]
        incomplete = os.environ.get("COMP_WORD", "")
        if incomplete and words and words[-1] == incomplete:
            words.pop()
        return words, incomplete

    def format_completion(self, item: CompletionItem[Any]) -> str:
        """Format one line of the answer."""
        return f"{item.value}\t{item.help}" if item.help else str(item.value)
