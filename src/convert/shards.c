/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/shards.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/jval.h"
#include "convert/dir.h"

static const char MODULE[] = "safetensors";
static const char SINGLE[] = "model.safetensors";
static const char INDEX[] = "model.safetensors.index.json";

/* Opens one more file.  `items` has room for it. */
static tern_status add_shard(ti_shards *s, const char *dir, ti_str name, tern_err *err)
{
    ti_shard shard = {0};
    shard.path = ti_dir_path(&s->arena, dir, name);
    if (!shard.path) {
        return ti_fail_nomem(err, MODULE, name.len, "a path");
    }
    TI_TRY(ti_map_open(&shard.map, shard.path, err));
    s->items[s->n++] = shard; /* from here on ti_shards_close() knows it */
    ti_shard *kept = &s->items[s->n - 1];
    TI_TRY(ti_safetensors_parse(&kept->st, kept->map.data, kept->map.size, err));
    kept->used = ti_arena_calloc(&s->arena, kept->st.n, sizeof *kept->used);
    return kept->used ? TERN_OK : ti_fail_nomem(err, MODULE, kept->st.n, "flags");
}

static tern_status make_room(ti_shards *s, size_t n, tern_err *err)
{
    s->items = ti_arena_calloc(&s->arena, n, sizeof *s->items);
    return s->items ? TERN_OK : ti_fail_nomem(err, MODULE, n * sizeof *s->items, "files");
}

/* --- the index --------------------------------------------------------------------------- */

/* A name that cannot lead out of the directory. */
static bool is_plain_name(ti_str s)
{
    static const char ending[] = ".safetensors";
    size_t tail = sizeof ending - 1;
    return s.len > tail && s.len < 256 && !memchr(s.data, '/', s.len) &&
           !memchr(s.data, '\\', s.len) && s.data[0] != '.' &&
           memcmp(s.data + s.len - tail, ending, tail) == 0;
}

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static ti_shard *find_shard(ti_shards *s, ti_str name)
{
    for (size_t i = 0; i < s->n; i++) {
        const char *have = last_part(s->items[i].path);
        if (strlen(have) == name.len && memcmp(have, name.data, name.len) == 0) {
            return &s->items[i];
        }
    }
    return NULL;
}

/* One line of the weight map: the tensor must be in that file. */
static tern_status check_entry(ti_shards *s, const char *dir, const ti_jmember *m,
                               tern_err *err)
{
    const ti_jval *v = &m->value;
    if (v->type != TI_JSTR || !is_plain_name(v->u.str)) {
        return ti_fail(err, TERN_CORRUPT, MODULE, v->at,
                       "%s: tensor '%.*s' is in no file of this directory", INDEX,
                       (int)(m->key.len < 100 ? m->key.len : 100), m->key.data);
    }
    ti_shard *shard = find_shard(s, v->u.str);
    if (!shard) {
        if (s->n == TI_SHARDS_MAX) {
            return ti_fail(err, TERN_LIMIT, MODULE, v->at, "%s names more than %d files", INDEX,
                           TI_SHARDS_MAX);
        }
        TI_TRY(add_shard(s, dir, v->u.str, err));
        shard = &s->items[s->n - 1];
    }
    char name[TI_ST_MAX_NAME_BYTES + 1];
    bool fits = m->key.len < sizeof name;
    if (fits) {
        memcpy(name, m->key.data, m->key.len);
        name[m->key.len] = '\0';
    }
    if (!fits || !ti_safetensors_find(&shard->st, name)) {
        return ti_fail(err, TERN_CORRUPT, MODULE, v->at, "%s: tensor '%.*s' is not in '%.60s'",
                       INDEX, (int)(m->key.len < 100 ? m->key.len : 100), m->key.data,
                       last_part(shard->path));
    }
    return TERN_OK;
}

/* Every tensor was found where the index has it; if the files have no more than that, none is
 * there twice and none is unknown to the index. */
static tern_status check_count(const ti_shards *s, uint32_t expected, tern_err *err)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++) {
        n += s->items[i].st.n;
    }
    return n == expected ? TERN_OK
                         : ti_fail(err, TERN_CORRUPT, MODULE, TI_NO_OFFSET,
                                   "the files have %zu tensors, %s has %u", n, INDEX, expected);
}

static tern_status read_index(ti_shards *s, ti_arena *tree, const char *dir, const char *text,
                              size_t size, tern_err *err)
{
    ti_jval root;
    TI_TRY(ti_jval_parse(&root, tree, text, size, MODULE, err));
    const ti_jval *map = ti_jval_get(&root, "weight_map");
    if (!map || map->type != TI_JOBJECT) {
        return ti_fail(err, TERN_CORRUPT, MODULE, 0, "%s has no weight_map", INDEX);
    }
    TI_TRY(make_room(s, TI_SHARDS_MAX, err));
    for (uint32_t i = 0; i < map->n; i++) {
        TI_TRY(check_entry(s, dir, &map->u.members[i], err));
    }
    return check_count(s, map->n, err);
}

static tern_status open_indexed(ti_shards *s, const char *dir, const char *path, tern_err *err)
{
    char *text;
    size_t size;
    ti_arena tree = {0};
    TI_TRY(ti_read_file(&text, &size, path, TI_SHARDS_MAX_INDEX_BYTES, err));
    tern_status status = read_index(s, &tree, dir, text, size, err);
    ti_arena_free(&tree);
    free(text);
    return status;
}

/* --- all together ------------------------------------------------------------------------ */

static tern_status open_all(ti_shards *s, const char *dir, tern_err *err)
{
    bool there;
    char *path;
    TI_TRY(ti_dir_find(&path, &there, &s->arena, dir, INDEX, err));
    if (there) {
        return open_indexed(s, dir, path, err);
    }
    TI_TRY(ti_dir_find(&path, &there, &s->arena, dir, SINGLE, err));
    if (there) {
        TI_TRY(make_room(s, 1, err));
        return add_shard(s, dir, (ti_str){SINGLE, sizeof SINGLE - 1}, err);
    }
    TI_TRY(ti_dir_find(&path, &there, &s->arena, dir, "pytorch_model.bin", err));
    if (there) {
        return ti_fail(err, TERN_UNSUPPORTED, MODULE, TI_NO_OFFSET,
                       "pytorch_model.bin can run code when it is read; save the model as "
                       "safetensors");
    }
    return ti_fail(err, TERN_IO, MODULE, TI_NO_OFFSET, "'%.100s' has neither %s nor %s", dir,
                   SINGLE, INDEX);
}

tern_status ti_shards_open(ti_shards *out, const char *dir, tern_err *err)
{
    ti_shards s = {0};
    tern_status status = open_all(&s, dir, err);
    if (status != TERN_OK) {
        ti_shards_close(&s);
        return status;
    }
    *out = s;
    return TERN_OK;
}

void ti_shards_close(ti_shards *s)
{
    for (size_t i = 0; i < s->n; i++) {
        ti_safetensors_close(&s->items[i].st);
        ti_map_close(&s->items[i].map);
    }
    ti_arena_free(&s->arena);
    *s = (ti_shards){0};
}

const ti_st_tensor *ti_shards_take(ti_shards *s, const char *name, const ti_shard **shard)
{
    for (size_t i = 0; i < s->n; i++) {
        const ti_st_tensor *t = ti_safetensors_find(&s->items[i].st, name);
        if (t) {
            s->items[i].used[t - s->items[i].st.tensors] = true;
            *shard = &s->items[i];
            return t;
        }
    }
    return NULL;
}

const char *ti_shards_next_unused(const ti_shards *s, size_t *cursor)
{
    size_t skipped = 0;
    for (size_t i = 0; i < s->n; i++) {
        const ti_shard *shard = &s->items[i];
        for (; *cursor < skipped + shard->st.n; ++*cursor) {
            size_t j = *cursor - skipped;
            if (!shard->used[j]) {
                ++*cursor;
                return shard->st.tensors[j].name;
            }
        }
        skipped += shard->st.n;
    }
    return NULL;
}
