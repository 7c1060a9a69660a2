#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# `tern serve` as a unit of the user's systemd, with a systemctl of our own; what the unit says
# is then run as systemd would, and answers.
set -u
work=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null; rm -rf "$work"' EXIT
PATH=$work/bin:$TERN_BUILD:$PATH
HOME=$work
export PATH HOME
unset XDG_CONFIG_HOME XDG_CACHE_HOME XDG_DATA_HOME TERN_ZONE TERN_CACHE TERN_SHARE TERN_CPU TERN_SERVE_TOKEN \
    TERN_GRID_SOURCE TERN_GRID_FILE TERN_GRID_BASIS
faults=0
fault()
{
    echo "FAILED: $1"
    faults=1
}
mkdir "$work/bin" "$work/a 50% place"
printf '#!/bin/sh\necho "$*" >>"$HOME/called"\n[ ! -e "$HOME/broken" ]\n' >"$work/bin/systemctl"
chmod +x "$work/bin/systemctl"
cd "$work/a 50% place" || exit 1
unit=$work/.config/systemd/user/tern-serve.service

TERN_ZONE=DE TERN_SERVE_TOKEN=secret tern serve --alias 'a "$HOME" 5%' --install -p 0 2>said || fault "not installed: $(cat said)"
grep -q 'does not have this TERN_SERVE_TOKEN' said || fault "nothing is said of the token"
grep -q secret "$unit" && fault "the token is in the unit"
tern=$(realpath "$TERN_BUILD/tern")
grep -qxF "ExecStart=\"$tern\" \"serve\" \"--alias\" \"a \\\"\$\$HOME\\\" 5%%\" \"-p\" \"0\"" "$unit" || fault "the unit: $(cat "$unit")"
for line in "WorkingDirectory=$work/a 50%% place" 'Environment="TERN_ZONE=DE"' NoNewPrivileges=yes WantedBy=default.target; do
    grep -qxF "$line" "$unit" || fault "no '$line': $(cat "$unit")"
done
[ "$(cat "$HOME/called")" = "--user --quiet daemon-reload
--user --quiet --now enable tern-serve.service" ] || fault "called: $(cat "$HOME/called")"
if command -v systemd-analyze >/dev/null; then
    ! systemd-analyze verify --user --man=no "$unit" 2>&1 | grep tern-serve || fault "systemd does not take the unit"
else
    echo "a part is left out: systemd-analyze is not there"
fi

# Again, with other options: one unit.  A model that is not there is told now.
tern serve --install -m nothing.gguf 2>/dev/null && fault "installed without its model"
tern serve --install --uninstall 2>/dev/null && fault "installed and not"
tern serve --install -p 0 2>/dev/null || fault "not installed again"
grep -q alias "$unit" && fault "the old unit stays"
command=$(sed -n 's/^ExecStart=//p' "$unit")
eval "exec $command" >serving 2>err &
pid=$!
tries=0
while [ ! -s serving ] && [ $tries -lt 300 ]; do
    tries=$((tries + 1))
    sleep 0.1
done
grep -q '^serving http' serving || fault "what the unit runs does not serve: $(cat err)"

tern serve --uninstall || fault "not uninstalled"
[ ! -e "$unit" ] || fault "the unit stays"
grep -q -- '--now disable tern-serve.service' "$HOME/called" || fault "not stopped"
tern serve --uninstall 2>/dev/null && fault "uninstalled twice"
touch "$HOME/broken"
tern serve --install 2>/dev/null && fault "installed by a broken systemctl"
[ ! -e "$unit" ] || fault "a unit that does not run stays"
exit $faults
