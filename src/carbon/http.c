/* SPDX-License-Identifier: Apache-2.0 */
#include "carbon/http.h"

#include <string.h>

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("-._~:", c));
}

void ti_url_part(ti_buf *url, const char *part)
{
    for (const char *c = part; *c; c++) {
        if (is_plain(*c)) {
            ti_buf_addc(url, *c);
        } else {
            ti_buf_addf(url, "%%%02X", (unsigned)(unsigned char)*c);
        }
    }
}

void ti_url_query(ti_buf *url, const char *name, const char *value)
{
    bool first = !url->data || !strchr(url->data, '?');
    ti_buf_addf(url, "%c%s=", first ? '?' : '&', name);
    ti_url_part(url, value);
}
