# SPDX-License-Identifier: Apache-2.0
# Prints C code without comments and with empty string and character constants, line by line,
# so that a pattern finds code and nothing else.  (No trigraphs, no line splices in comments.)
FNR == 1 { comment = 0; quote = "" }
{
    out = ""
    n = length($0)
    for (i = 1; i <= n; i++) {
        c = substr($0, i, 1)
        two = substr($0, i, 2)
        if (comment) {
            if (two == "*/") { comment = 0; i++; out = out " " }
        } else if (quote) {
            if (c == "\\") i++
            else if (c == quote) { out = out c; quote = "" }
        } else if (two == "/*") { comment = 1; i++ }
        else if (two == "//") break
        else {
            if (c == "\"" || c == "'") quote = c
            out = out c
        }
    }
    print out
}
