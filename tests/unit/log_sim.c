/* SPDX-License-Identifier: Apache-2.0 */
#include "log_sim.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SECTOR = 512, PATH_ROOM = 128 };

typedef struct bytes {
    uint8_t *data;
    size_t len;
} bytes;

/* A write or truncation that was not synced. */
typedef struct change {
    bool cut; /* truncation to `at` */
    uint64_t at;
    bytes what;
} change;

typedef struct inode {
    bytes now, durable;
    change *changes;
    size_t n_changes, cap_changes;
    int refs; /* copies of a state share nothing; names and handles are found by index */
} inode;

/* A name: where it leads now, and where after a crash. */
typedef struct name {
    uint64_t hash; /* of path */
    char path[PATH_ROOM];
    bool is_dir, durable_is_dir;
    int now, durable; /* inode, or -1 = not there; directories: 0 when there */
    int moved_from;   /* name that a rename not yet synced took this from, or -1 */
} name;

typedef struct handle {
    int inode; /* -1 = free */
    bool locked;
    char path[PATH_ROOM];
} handle;

enum { MAX_HANDLES = 32 };

struct sim {
    name *names;
    size_t n_names, cap_names;
    inode *inodes;
    size_t n_inodes, cap_inodes;
    handle handles[MAX_HANDLES];
    uint64_t ops, crash_at, syncs, fail_sync;
    bool crashed;
    ti_rng rng;
};

static void *must(void *p)
{
    if (!p) {
        abort();
    }
    return p;
}

static void set_bytes(bytes *to, const void *data, size_t len)
{
    uint8_t *copy = must(malloc(len + 1));
    if (len) {
        memcpy(copy, data, len);
    }
    free(to->data);
    *to = (bytes){copy, len};
}

static void write_bytes(bytes *to, const void *data, size_t len, uint64_t at)
{
    size_t end = (size_t)at + len;
    if (end > to->len) {
        to->data = must(realloc(to->data, end + 1));
        memset(to->data + to->len, 0, end - to->len);
        to->len = end;
    }
    if (len) {
        memcpy(to->data + at, data, len);
    }
}

static void apply(bytes *to, const change *c)
{
    if (c->cut) {
        if (c->at < to->len) {
            to->len = (size_t)c->at;
        } else {
            write_bytes(to, NULL, 0, c->at);
        }
    } else {
        write_bytes(to, c->what.data, c->what.len, c->at);
    }
}

static void forget_changes(inode *i)
{
    for (size_t c = 0; c < i->n_changes; c++) {
        free(i->changes[c].what.data);
    }
    i->n_changes = 0;
}

sim *sim_new(uint64_t seed)
{
    sim *s = must(calloc(1, sizeof *s));
    ti_rng_seed(&s->rng, seed);
    s->crash_at = s->fail_sync = UINT64_MAX;
    for (int i = 0; i < MAX_HANDLES; i++) {
        s->handles[i].inode = -1;
    }
    return s;
}

void sim_free(sim *s)
{
    if (s) {
        for (size_t i = 0; i < s->n_inodes; i++) {
            forget_changes(&s->inodes[i]);
            free(s->inodes[i].changes);
            free(s->inodes[i].now.data);
            free(s->inodes[i].durable.data);
        }
        free(s->inodes);
        free(s->names);
        free(s);
    }
}

sim *sim_copy(const sim *s)
{
    sim *c = must(malloc(sizeof *c));
    *c = *s;
    c->names = must(malloc((s->n_names + 1) * sizeof *c->names));
    if (s->n_names) {
        memcpy(c->names, s->names, s->n_names * sizeof *c->names);
    }
    c->cap_names = s->n_names + 1;
    c->inodes = must(calloc(s->n_inodes + 1, sizeof *c->inodes));
    c->cap_inodes = s->n_inodes + 1;
    for (size_t i = 0; i < s->n_inodes; i++) {
        set_bytes(&c->inodes[i].now, s->inodes[i].now.data, s->inodes[i].now.len);
        set_bytes(&c->inodes[i].durable, s->inodes[i].durable.data, s->inodes[i].durable.len);
        c->inodes[i].changes = must(calloc(s->inodes[i].n_changes + 1, sizeof(change)));
        c->inodes[i].cap_changes = s->inodes[i].n_changes + 1;
        c->inodes[i].n_changes = s->inodes[i].n_changes;
        for (size_t k = 0; k < s->inodes[i].n_changes; k++) {
            const change *from = &s->inodes[i].changes[k];
            c->inodes[i].changes[k] = (change){.cut = from->cut, .at = from->at};
            set_bytes(&c->inodes[i].changes[k].what, from->what.data, from->what.len);
        }
    }
    return c;
}

/* True when the world goes on. */
static bool step(sim *s)
{
    if (s->crashed || s->ops++ >= s->crash_at) {
        s->crashed = true;
        return false;
    }
    return true;
}

void sim_crash_at(sim *s, uint64_t ops)
{
    s->crash_at = ops;
    s->ops = 0;
    s->crashed = false;
}

bool sim_crashed(const sim *s)
{
    return s->crashed;
}

uint64_t sim_ops(const sim *s)
{
    return s->ops;
}

void sim_fail_sync(sim *s, uint64_t n)
{
    s->syncs = 0;
    s->fail_sync = n;
}

static void tidy(char out[PATH_ROOM], const char *path)
{
    size_t len = strlen(path);
    while (len > 0 && path[len - 1] == '/') {
        len--;
    }
    if (len >= PATH_ROOM) {
        abort();
    }
    memcpy(out, path, len);
    out[len] = '\0';
}

/* FNV-1a. */
static uint64_t hash_of(const char *path)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (; *path; path++) {
        h = (h ^ (unsigned char)*path) * 0x100000001b3u;
    }
    return h;
}

static name *find(sim *s, const char *path)
{
    char p[PATH_ROOM];
    tidy(p, path);
    uint64_t hash = hash_of(p);
    for (size_t i = 0; i < s->n_names; i++) {
        if (s->names[i].hash == hash && strcmp(s->names[i].path, p) == 0) {
            return &s->names[i];
        }
    }
    return NULL;
}

static name *find_or_add(sim *s, const char *path)
{
    name *n = find(s, path);
    if (n) {
        return n;
    }
    if (s->n_names == s->cap_names) {
        s->cap_names = 2 * s->cap_names + 64;
        s->names = must(realloc(s->names, s->cap_names * sizeof *s->names));
    }
    n = &s->names[s->n_names++];
    *n = (name){.now = -1, .durable = -1, .moved_from = -1};
    tidy(n->path, path);
    n->hash = hash_of(n->path);
    return n;
}

/* True when `path` is directly in the directory `dir`; "." holds what has no '/'. */
static bool is_in(const char *path, const char *dir)
{
    const char *slash = strrchr(path, '/');
    size_t len = slash ? (size_t)(slash - path) : 0;
    if (!slash) {
        return strcmp(dir, ".") == 0;
    }
    return strlen(dir) == len && memcmp(path, dir, len) == 0;
}

static bool parent_is_there(sim *s, const char *path)
{
    char p[PATH_ROOM];
    tidy(p, path);
    char *slash = strrchr(p, '/');
    if (!slash) {
        return true;
    }
    *slash = '\0';
    name *n = find(s, p);
    return n && n->is_dir && n->now >= 0;
}

static int new_inode(sim *s)
{
    if (s->n_inodes == s->cap_inodes) {
        s->cap_inodes = 2 * s->cap_inodes + 64;
        s->inodes = must(realloc(s->inodes, s->cap_inodes * sizeof *s->inodes));
    }
    s->inodes[s->n_inodes] = (inode){0};
    set_bytes(&s->inodes[s->n_inodes].now, "", 0);
    set_bytes(&s->inodes[s->n_inodes].durable, "", 0);
    return (int)s->n_inodes++;
}

static int sim_open(void *user, const char *path, unsigned flags)
{
    sim *s = user;
    if (!step(s)) {
        return -EIO;
    }
    name *n = find(s, path);
    bool there = n && n->now >= 0;
    if (there && n->is_dir) {
        return -EINVAL;
    }
    if (there && (flags & TI_IO_EXCL)) {
        return -EEXIST;
    }
    if (!there) {
        if (!(flags & TI_IO_CREATE) || !parent_is_there(s, path)) {
            return -ENOENT;
        }
        n = find_or_add(s, path);
        n->is_dir = false;
        n->now = new_inode(s);
        n->moved_from = -1;
    }
    for (int h = 0; h < MAX_HANDLES; h++) {
        if (s->handles[h].inode < 0) {
            s->handles[h] = (handle){.inode = n->now};
            memcpy(s->handles[h].path, n->path, PATH_ROOM);
            return h;
        }
    }
    return -EMFILE;
}

static int sim_close(void *user, int file)
{
    sim *s = user;
    s->handles[file] = (handle){.inode = -1}; /* the dead close their files too */
    return s->crashed ? -EIO : 0;
}

static int64_t sim_pread(void *user, int file, void *out, size_t len, uint64_t at)
{
    sim *s = user;
    if (!step(s)) {
        return -EIO;
    }
    const bytes *b = &s->inodes[s->handles[file].inode].now;
    size_t n = at < b->len ? b->len - (size_t)at : 0;
    n = n < len ? n : len;
    if (n) {
        memcpy(out, b->data + at, n);
    }
    return (int64_t)n;
}

static void add_change(inode *i, change c)
{
    if (i->n_changes == i->cap_changes) {
        i->cap_changes = 2 * i->cap_changes + 8;
        i->changes = must(realloc(i->changes, i->cap_changes * sizeof *i->changes));
    }
    i->changes[i->n_changes++] = c;
    apply(&i->now, &c);
}

static int64_t sim_pwrite(void *user, int file, const void *data, size_t len, uint64_t at)
{
    sim *s = user;
    bool alive = step(s);
    if (!alive && s->ops != s->crash_at + 1) {
        return -EIO; /* dead since an earlier call */
    }
    change c = {.at = at};
    set_bytes(&c.what, data, len);
    add_change(&s->inodes[s->handles[file].inode], c);
    if (!alive) {
        s->ops++; /* the write had begun when the world stopped */
        return -EIO;
    }
    return (int64_t)len;
}

static int64_t sim_size(void *user, int file)
{
    sim *s = user;
    return step(s) ? (int64_t)s->inodes[s->handles[file].inode].now.len : -EIO;
}

static int sim_truncate(void *user, int file, uint64_t size)
{
    sim *s = user;
    if (!step(s)) {
        return -EIO;
    }
    add_change(&s->inodes[s->handles[file].inode], (change){.cut = true, .at = size});
    return 0;
}

/* After a failed sync the pages may be marked clean: what they held is as good as lost. */
static bool sync_fails(sim *s)
{
    return s->syncs++ == s->fail_sync;
}

/* Only what is dirty is written: what a failed sync has marked clean stays lost. */
static void sync_inode(inode *i)
{
    for (size_t c = 0; c < i->n_changes; c++) {
        apply(&i->durable, &i->changes[c]);
    }
    forget_changes(i);
}

static int sim_sync(void *user, int file)
{
    sim *s = user;
    if (!step(s)) {
        return -EIO;
    }
    inode *i = &s->inodes[s->handles[file].inode];
    if (sync_fails(s)) {
        forget_changes(i);
        return -EIO;
    }
    sync_inode(i);
    return 0;
}

static void sync_name(name *n)
{
    n->durable = n->now;
    n->durable_is_dir = n->is_dir;
    n->moved_from = -1;
}

static int sim_sync_dir(void *user, const char *path)
{
    sim *s = user;
    char p[PATH_ROOM];
    if (!step(s)) {
        return -EIO;
    }
    if (sync_fails(s)) {
        return -EIO;
    }
    tidy(p, path);
    const name *dir = find(s, p);
    if (strcmp(p, ".") != 0 && !(dir && dir->is_dir && dir->now >= 0)) {
        return -ENOENT;
    }
    for (size_t i = 0; i < s->n_names; i++) {
        if (is_in(s->names[i].path, p)) {
            sync_name(&s->names[i]);
        }
    }
    return 0;
}

static int sim_sync_all(void *user, const char *path)
{
    sim *s = user;
    (void)path;
    if (!step(s) || sync_fails(s)) {
        return -EIO;
    }
    for (size_t i = 0; i < s->n_names; i++) {
        sync_name(&s->names[i]);
        if (s->names[i].now >= 0 && !s->names[i].is_dir) {
            sync_inode(&s->inodes[s->names[i].now]);
        }
    }
    return 0;
}

static int sim_rename(void *user, const char *from, const char *to)
{
    sim *s = user;
    if (!step(s)) {
        return -EIO;
    }
    const name *a = find(s, from);
    if (!a || a->now < 0 || !parent_is_there(s, to)) {
        return -ENOENT;
    }
    name *b = find_or_add(s, to); /* may move the names */
    name *source = find(s, from);
    b->is_dir = false;
    b->now = source->now;
    b->moved_from = (int)(source - s->names);
    source->now = -1;
    return 0;
}

static int sim_unlink(void *user, const char *path)
{
    sim *s = user;
    if (!step(s)) {
        return -EIO;
    }
    name *n = find(s, path);
    if (!n || n->now < 0 || n->is_dir) {
        return -ENOENT;
    }
    n->now = -1;
    return 0;
}

static int sim_mkdir(void *user, const char *path, int secret)
{
    sim *s = user;
    (void)secret;
    if (!step(s)) {
        return -EIO;
    }
    name *n = find(s, path);
    if (n && n->now >= 0) {
        return -EEXIST;
    }
    if (!parent_is_there(s, path)) {
        return -ENOENT;
    }
    n = find_or_add(s, path);
    n->is_dir = true;
    n->now = 0;
    n->moved_from = -1;
    return 0;
}

static int sim_rmdir(void *user, const char *path)
{
    sim *s = user;
    char p[PATH_ROOM];
    if (!step(s)) {
        return -EIO;
    }
    tidy(p, path);
    name *n = find(s, p);
    if (!n || n->now < 0 || !n->is_dir) {
        return -ENOENT;
    }
    for (size_t i = 0; i < s->n_names; i++) {
        if (s->names[i].now >= 0 && is_in(s->names[i].path, p)) {
            return -ENOTEMPTY;
        }
    }
    n->now = -1;
    return 0;
}

static int sim_list(void *user, const char *path,
                    void (*found)(void *to, const char *name, int is_dir), void *to)
{
    sim *s = user;
    char p[PATH_ROOM];
    if (!step(s)) {
        return -EIO;
    }
    tidy(p, path);
    const name *dir = find(s, p);
    if (!dir || !dir->is_dir || dir->now < 0) {
        return -ENOENT;
    }
    for (size_t i = 0; i < s->n_names; i++) {
        name n = s->names[i];
        if (n.now >= 0 && is_in(n.path, p)) {
            found(to, n.path + strlen(p) + 1, n.is_dir);
        }
    }
    return 0;
}

static int sim_lock(void *user, int file)
{
    sim *s = user;
    if (!step(s)) {
        return -EIO;
    }
    for (int h = 0; h < MAX_HANDLES; h++) {
        if (h != file && s->handles[h].locked &&
            strcmp(s->handles[h].path, s->handles[file].path) == 0) {
            return -EWOULDBLOCK;
        }
    }
    s->handles[file].locked = true;
    return 0;
}

ti_log_io sim_io(sim *s, bool with_sync_all)
{
    return (ti_log_io){.user = s,
                       .open = sim_open,
                       .close = sim_close,
                       .pread = sim_pread,
                       .pwrite = sim_pwrite,
                       .size = sim_size,
                       .truncate = sim_truncate,
                       .sync = sim_sync,
                       .sync_dir = sim_sync_dir,
                       .sync_all = with_sync_all ? sim_sync_all : NULL,
                       .rename = sim_rename,
                       .unlink = sim_unlink,
                       .mkdir = sim_mkdir,
                       .rmdir = sim_rmdir,
                       .list = sim_list,
                       .lock = sim_lock};
}

/* Any of the unsynced writes, each whole, in part, or not: sector by sector. */
static void crash_inode(sim *s, inode *i, sim_mode mode)
{
    if (mode == SIM_KEEP) {
        return;
    }
    for (size_t c = 0; c < i->n_changes && mode == SIM_RANDOM; c++) {
        const change *ch = &i->changes[c];
        unsigned how = ti_rng_next(&s->rng) % 4;
        if (how == 0 || (ch->cut && how < 2)) {
            continue;
        }
        if (ch->cut || how == 1) {
            apply(&i->durable, ch);
            continue;
        }
        for (size_t at = 0; at < ch->what.len; at += SECTOR - (ch->at + at) % SECTOR) {
            size_t n = SECTOR - (ch->at + at) % SECTOR;
            n = n < ch->what.len - at ? n : ch->what.len - at;
            if (ti_rng_next(&s->rng) % 2) {
                write_bytes(&i->durable, ch->what.data + at, n, ch->at + at);
            }
            if (how == 3 && ti_rng_next(&s->rng) % 4 == 0) {
                break; /* the rest of it never came */
            }
        }
    }
    set_bytes(&i->now, i->durable.data, i->durable.len);
    forget_changes(i);
}

void sim_restart(sim *s, sim_mode mode)
{
    for (size_t i = 0; i < s->n_names; i++) {
        name *n = &s->names[i];
        bool changed = n->now != n->durable || n->is_dir != n->durable_is_dir;
        bool keep = mode == SIM_KEEP || (mode == SIM_RANDOM && ti_rng_next(&s->rng) % 2);
        if (changed && keep && n->now >= 0 && n->moved_from >= 0 && mode == SIM_RANDOM) {
            s->names[n->moved_from].durable = -1; /* a rename is one step */
            s->names[n->moved_from].now = -1;
        }
        if (mode == SIM_KEEP) {
            continue; /* still only in memory: a later crash may lose it */
        }
        if (!keep) {
            n->now = n->durable;
            n->is_dir = n->durable_is_dir;
        }
        n->durable = n->now;
        n->durable_is_dir = n->is_dir;
        n->moved_from = -1;
    }
    for (size_t i = 0; i < s->n_inodes; i++) {
        crash_inode(s, &s->inodes[i], mode);
    }
    /* What stands in a directory that is gone is gone. */
    for (size_t i = 0; i < s->n_names; i++) {
        if (s->names[i].now >= 0 && !parent_is_there(s, s->names[i].path)) {
            s->names[i].now = s->names[i].durable = -1;
            i = (size_t)-1;
        }
    }
    for (int h = 0; h < MAX_HANDLES; h++) {
        s->handles[h] = (handle){.inode = -1};
    }
    sim_crash_at(s, UINT64_MAX);
    s->fail_sync = UINT64_MAX;
}

uint8_t *sim_bytes(sim *s, const char *path, size_t *len)
{
    const name *n = find(s, path);
    if (!n || n->now < 0 || n->is_dir) {
        return NULL;
    }
    *len = s->inodes[n->now].now.len;
    return s->inodes[n->now].now.data;
}

const char *sim_path(sim *s, size_t i)
{
    for (size_t k = 0; k < s->n_names; k++) {
        if (s->names[k].now >= 0 && !s->names[k].is_dir && i-- == 0) {
            return s->names[k].path;
        }
    }
    return NULL;
}

void sim_restore(sim *s, const sim *from, const char *prefix)
{
    size_t len = strlen(prefix);
    for (size_t i = 0; i < s->n_names; i++) {
        if (strncmp(s->names[i].path, prefix, len) == 0) {
            s->names[i].now = s->names[i].durable = -1;
        }
    }
    for (size_t i = 0; i < from->n_names; i++) {
        const name *old = &from->names[i];
        if (old->now < 0 || strncmp(old->path, prefix, len) != 0) {
            continue;
        }
        name *n = find_or_add(s, old->path);
        n->is_dir = n->durable_is_dir = old->is_dir;
        n->now = n->durable = old->is_dir ? 0 : new_inode(s);
        if (!old->is_dir) {
            const bytes *b = &from->inodes[old->now].now;
            n = find(s, old->path);
            set_bytes(&s->inodes[n->now].now, b->data, b->len);
            set_bytes(&s->inodes[n->now].durable, b->data, b->len);
        }
    }
}
