# SPDX-License-Identifier: Apache-2.0
# Prints C code without comments and with empty string and character constants, line by line,
# so that a pattern finds code and nothing else.  With -v names=1 each line begins with
# FILE:LINE:.  (No trigraphs, no line splices in comments.)
FNR == 1 { comment = 0 }
{
    rest = $0
    out = ""
    while (rest != "") {
        if (comment) {
            at = index(rest, "*/")
            if (!at) break
            rest = substr(rest, at + 2)
            comment = 0
            out = out " "
        } else if (match(rest, /["']|\/\*|\/\//)) {
            what = substr(rest, RSTART, RLENGTH)
            out = out substr(rest, 1, RSTART - 1)
            rest = substr(rest, RSTART + RLENGTH)
            if (what == "//") break
            if (what == "/*") { comment = 1; continue }
            out = out what what
            if (what == "\"") match(rest, /^([^"\\]|\\.)*"/)
            else match(rest, /^([^'\\]|\\.)*'/)
            if (RSTART == 0) break # a constant that goes on in the next line
            rest = substr(rest, RSTART + RLENGTH)
        } else {
            out = out rest
            break
        }
    }
    if (names) print FILENAME ":" FNR ": " out
    else print out
}
