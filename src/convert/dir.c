/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/dir.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

char *ti_dir_path(ti_arena *arena, const char *dir, ti_str name)
{
    size_t n = strlen(dir);
    char *path = ti_arena_alloc(arena, n + 1 + name.len + 1);
    if (path) {
        memcpy(path, dir, n);
        path[n] = '/';
        memcpy(path + n + 1, name.data, name.len);
    }
    return path;
}

tern_status ti_dir_find(char **path, bool *there, ti_arena *arena, const char *dir,
                        const char *name, tern_err *err)
{
    char *joined = ti_dir_path(arena, dir, (ti_str){name, strlen(name)});
    if (!joined) {
        return ti_fail_nomem(err, "file", strlen(dir), "a path");
    }
    *path = joined;
    *there = access(joined, F_OK) == 0;
    return TERN_OK;
}

tern_status ti_dir_find_beside(char **found, bool *there, ti_arena *arena, const char *path,
                               const char *name, tern_err *err)
{
    const char *slash = strrchr(path, '/');
    const char *dir = slash ? ti_arena_strndup(arena, path, (size_t)(slash - path)) : ".";
    if (!dir) {
        return ti_fail_nomem(err, "file", strlen(path), "a path");
    }
    return ti_dir_find(found, there, arena, dir, name, err);
}

tern_status ti_dir_read(ti_str *out, ti_arena *arena, const char *path, size_t limit,
                        tern_err *err)
{
    char *text;
    size_t size;
    TI_TRY(ti_read_file(&text, &size, path, limit, err));
    char *copy = ti_arena_strndup(arena, text, size);
    free(text);
    if (!copy) {
        return ti_fail_nomem(err, "file", size, path);
    }
    *out = (ti_str){copy, size};
    return TERN_OK;
}

tern_status ti_dir_read_json(ti_jval *out, ti_arena *arena, const char *path, size_t limit,
                             const char *module, tern_err *err)
{
    ti_str text;
    TI_TRY(ti_dir_read(&text, arena, path, limit, err));
    return ti_jval_parse(out, arena, text.data, text.len, module, err);
}
