#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every #include "module/..." and every library header in src/ and include/ must be allowed by
# tools/layers.txt.  Prints the lines that are not.
set -eu
cd "$TERN_SOURCE"
core=$(cd edge && echo core/*.h host/*.h record/*.h)
find include/tern src edge -name '*.[ch]' -print | sort >"$TERN_BUILD/layers.list"
awk -v core_headers="$core" '
    BEGIN {
        n = split(core_headers, file)
        for (i = 1; i <= n; i++) { sub(/.*\//, "", file[i]); core[file[i]] = 1 }
    }
    FNR == NR { # the table
        if ($0 ~ /^#/ || NF == 0) next
        module = $1
        sub(/:$/, "", module)
        known[module] = 1
        for (i = 2; i <= NF; i++) may[module, $i] = 1
        next
    }
    FNR == 1 {
        n = split(FILENAME, part, "/")
        edge = part[1] == "edge"
        module = edge ? "edge" : part[2]
        files++
        if (!(module in known)) { print FILENAME ": module " module " is not in the table"; bad++ }
    }
    /^[ \t]*#[ \t]*include[ \t]*"/ {
        split($0, q, "\"")
        split(q[2], path, "/")
        if (edge) {
            if (q[2] ~ /\//) { print FILENAME ":" FNR ": edge stands alone: \"" q[2] "\""; bad++ }
        } else if (q[2] in core) {
            if (!((module, "edge") in may)) {
                print FILENAME ":" FNR ": " module " may not include \"" q[2] "\""; bad++
            }
        } else if (q[2] !~ /\//) {
            print FILENAME ":" FNR ": \"" q[2] "\" does not name its module"; bad++
        } else if (path[1] != module && !((module, path[1]) in may)) {
            print FILENAME ":" FNR ": " module " may not include \"" q[2] "\""; bad++
        }
        checked++
    }
    edge && /^[ \t]*#[ \t]*include[ \t]*</ && !/<std(def|int)\.h>/ {
        print FILENAME ":" FNR ": edge needs no library: " $0; bad++
    }
    /^[ \t]*#[ \t]*include[ \t]*<(pcre2|jansson|curl\/|microhttpd|sodium|sqlite3|openssl\/|histedit|utf8proc|cmocka)/ {
        match($0, /<[^>]*>/)
        header = substr($0, RSTART, RLENGTH)
        if (!((module, header) in may)) {
            print FILENAME ":" FNR ": " module " may not include " header; bad++
        }
    }
    END {
        printf "%d includes in %d files checked, %d not allowed\n", checked, files, bad
        exit bad > 0 || checked == 0
    }' tools/layers.txt $(cat "$TERN_BUILD/layers.list")
