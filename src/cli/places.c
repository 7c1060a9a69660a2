/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/places.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "cli/models.h"
#include "cli/out.h"

static const struct {
    const char *variable, *below_home;
} places[] = {
    [TI_PLACE_CONFIG] = {"XDG_CONFIG_HOME", ".config"},
    [TI_PLACE_DATA] = {"XDG_DATA_HOME", ".local/share"},
};

tern_status ti_place_path(char **out, ti_place place, const char *below, tern_err *err)
{
    const char *xdg = getenv(places[place].variable), *home = getenv("HOME");
    ti_buf path = {0};
    if (xdg && xdg[0] == '/') { /* the rules: a relative one is to be ignored */
        ti_buf_addf(&path, "%s/tern", xdg);
    } else if (home && *home) {
        ti_buf_addf(&path, "%s/%s/tern", home, places[place].below_home);
    } else {
        return ti_fail(err, TERN_UNAVAILABLE, "places", TI_NO_OFFSET,
                       "neither %s nor HOME is set", places[place].variable);
    }
    ti_buf_addf(&path, "%s%s", *below ? "/" : "", below);
    if (path.failed) {
        ti_buf_free(&path);
        return ti_fail_nomem(err, "places", strlen(below), "a path");
    }
    *out = path.data;
    return TERN_OK;
}

tern_status ti_make_private_directory(const char *path, tern_err *err)
{
    char *above = strdup(path);
    if (!above) {
        return ti_fail_nomem(err, "places", strlen(path), "a path");
    }
    char *slash = strrchr(above, '/');
    tern_status status = TERN_OK;
    if (slash && slash != above) {
        *slash = '\0';
        status = ti_make_directories(above, err);
    }
    if (status == TERN_OK && mkdir(path, S_IRWXU) != 0 && errno != EEXIST) {
        status = ti_fail_errno(err, errno, "places", "cannot create '%s'", path);
    }
    free(above);
    return status;
}
